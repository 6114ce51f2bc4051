// Package fleet holds the use cases of machines: a machine makes contact, the operator binds or
// arms it, its live environment reports. Each is one transaction: read, decide, record, commit.
package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"bty/internal/boot"
	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
	"bty/internal/machine"
	"bty/internal/rule"
)

// maxMachines bounds how many machines discovery adds, so that a flood of made-up MACs cannot
// fill the disk.
const maxMachines = 100_000

// Tx is what the use cases need of one transaction.
type Tx interface {
	Machine(machine.MAC) (machine.Machine, bool, error)
	PutMachine(machine.Machine) error
	DeleteMachine(machine.MAC) error
	EachMachine(func(machine.Machine) error) error
	EachIntent(func(machine.Machine) error) error // without their facts
	CountMachines() int
	Hardware(machine.MAC) (machine.Hardware, bool, error)
	PutHardware(machine.MAC, machine.Hardware) error
	Tree(machine.MAC) (json.RawMessage, bool, error)
	PutTree(machine.MAC, json.RawMessage) error
	Image(catalog.ImageRef) (catalog.Entry, bool, error)
	Rules() (*rule.Set, error)
	NewRuleID() (rule.ID, error)
	PutRule(rule.Rule) error
	DeleteRule(rule.ID) error
	PutDefault(rule.Assignment) error
	AppendEvent(*event.Event) error
	Events(event.Filter) ([]event.Event, error)
	EachEventBack(before event.ID, fn func(event.Event) (bool, error)) error
}

// Store runs transactions. Update returns once its writes are on disk.
type Store interface {
	View(func(Tx) error) error
	Update(context.Context, func(Tx) error) error
}

// Config is what a Fleet is made of.
type Config struct {
	Store       Store
	Ledger      *ledger.Ledger
	Now         func() time.Time
	MaxAttempts int
	// Verify reports whether disks are to be read back; nil is never.
	Verify func() bool
	// Grow reports whether the last partition of images is to end with the disk; nil is never.
	Grow func() bool
	// Live finds the files of the live environment for an architecture as iPXE names it, or
	// names the file that is missing.
	Live func(arch string) (files boot.LiveFiles, missing string)
	// Sighted names the machine whose address this is by the DHCP traffic that was seen; nil if
	// none ever is.
	Sighted func(netip.Addr) (machine.MAC, bool)
	// Registration is whose DHCP request makes a machine known now; nil is nobody's.
	Registration func() Registration
	// Forgotten is told of a machine that is no longer known; nil if nobody keeps anything of it.
	Forgotten func(machine.MAC)
	// HasCache reports whether there is a cache of images, and Cached asks it for an image, for a machine
	// that reached this server as host; nil if
	// there never is one.
	HasCache func() bool
	Cached   func(ctx context.Context, e catalog.Entry, host string) catalog.Cached
}

// Fleet runs the use cases. It is safe for concurrent use.
type Fleet struct {
	Config
	activity  *activity
	admission admission
	machines  atomic.Int64
}

// New returns a Fleet over what the store holds.
func New(c Config) (*Fleet, error) {
	f := &Fleet{Config: c, activity: newActivity()}
	err := c.Store.View(func(tx Tx) error { f.machines.Store(int64(tx.CountMachines())); return nil })
	if err != nil {
		return nil, fmt.Errorf("count the machines: %w", err)
	}
	return f, nil
}

// Count is how many machines are known.
func (f *Fleet) Count() int64 { return f.machines.Load() }

// commit runs one use case: read, decide, record, all in one transaction.
func (f *Fleet) commit(ctx context.Context, fn func(Tx) ([]event.Event, error)) error {
	return ledger.Commit(ctx, f.Ledger, f.Store.Update, fn)
}

// Who is behind a request of the operator.
type Who struct{ From netip.Addr }

func unknownMachine(mac machine.MAC) error {
	return fault.New(fault.NotFound, "no machine record for %s", mac)
}
