package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"

	"bty/internal/boot"
	"bty/internal/event"
	"bty/internal/ledger"
	"bty/internal/machine"
	"bty/internal/wire"
)

// MaxTree is the largest hardware tree that is kept, in bytes; a larger one is left out.
const MaxTree = 4 << 20

// Launch records that a machine fetched a file of the live environment.
func (f *Fleet) Launch(ctx context.Context, mac machine.MAC, from netip.Addr, file string) error {
	now := f.Now()
	var m machine.Machine
	var found bool
	err := f.Store.View(func(tx Tx) (err error) { m, _, found, err = known(tx, mac); return err })
	if err != nil || !found {
		return err
	}
	f.activity.contact(mac, from, now, true)
	f.activity.fetch(mac, file, now)
	if _, would := m.Launch(); !would {
		return nil
	}
	return f.commit(ctx, func(tx Tx) ([]event.Event, error) {
		m, own, found, err := known(tx, mac)
		if err != nil || !found {
			return nil, err
		}
		armed, changed := m.Launch()
		if !changed {
			return nil, nil
		}
		events := []event.Event{machineEvent(event.ArtifactFetched, mac, event.Client, from, now,
			fmt.Sprintf("%s fetches %s: start %d of the live environment", mac, file, m.Facts.Attempts), launched{file, m.Facts.Attempts}).With(boundImage(tx, m)...)}
		if armed {
			events = append(events, machineEvent(event.FlasherArmed, mac, event.Client, netip.Addr{}, now,
				fmt.Sprintf("%s: saw_flasher_boot set: the live environment was started", mac), nil))
		}
		return events, tx.PutMachine(boot.Store(m, own))
	})
}

// Fetched records that a file of the live environment was sent to its end. It is kept in memory
// only: it says how long the transfer took, and no decision reads it.
func (f *Fleet) Fetched(mac machine.MAC, file string) { f.activity.fetched(mac, file, f.Now()) }

type launched struct {
	File    string `json:"file"`
	Attempt int    `json:"attempt"`
}

func (f *Fleet) lookup(mac machine.MAC) (m machine.Machine, found bool, err error) {
	err = f.Store.View(func(tx Tx) error { m, found, err = tx.Machine(mac); return err })
	return m, found, err
}

// Inventory records what a machine reported about itself. A hardware tree that is too large is
// left out, and what was known before stays.
func (f *Fleet) Inventory(ctx context.Context, mac machine.MAC, from netip.Addr, inv wire.Inventory) error {
	now := f.Now()
	lshw := inv.LSHW
	carried := inventoried{Count: len(inv.Disks), Serials: serials(inv.Disks), LSHW: lshw != nil && len(lshw) <= MaxTree}
	err := f.report(ctx, mac, from, orphan{"inventory", &carried.Count}, func(tx Tx, m *machine.Machine) (event.Event, error) {
		if carried.LSHW {
			if err := tx.PutTree(mac, lshw); err != nil {
				return event.Event{}, err
			}
		}
		hardware, _, err := tx.Hardware(mac)
		if err != nil {
			return event.Event{}, err
		}
		hardware.Disks = append([]machine.Disk{}, inv.Disks...)
		if carried.LSHW {
			hardware.Describe(lshw)
		}
		m.Inventoried(now)
		summary := fmt.Sprintf("%s reported %d disks", mac, carried.Count)
		if len(lshw) > MaxTree {
			summary += fmt.Sprintf("; its hardware tree of %d bytes is over the limit of %d and was left out", len(lshw), MaxTree)
		}
		return machineEvent(event.MachineInventory, mac, event.Client, from, now, summary, carried), tx.PutHardware(mac, hardware)
	})
	if err == nil {
		f.activity.contact(mac, from, now, false)
	}
	return err
}

type inventoried struct {
	Count   int      `json:"count"`
	Serials []string `json:"serials"`
	LSHW    bool     `json:"lshw"`
}

func serials(disks []machine.Disk) []string {
	found := []string{}
	for _, d := range disks {
		if s := d.SerialOrEmpty(); s != "" {
			found = append(found, s)
		}
	}
	return found
}

// Status records how a live environment's work ended.
func (f *Fleet) Status(ctx context.Context, mac machine.MAC, from netip.Addr, s wire.Status) error {
	now := f.Now()
	err := f.report(ctx, mac, from, orphan{Signal: s.Status}, func(tx Tx, m *machine.Machine) (event.Event, error) {
		image := boundImage(tx, *m)
		if s.Status == wire.StatusDone {
			m.Done(now)
			return machineEvent(event.MachineFlashed, mac, event.Client, from, now, fmt.Sprintf("%s has been flashed", mac), nil).With(image...), nil
		}
		m.Fail(s.Reason, now)
		e := machineEvent(event.MachineFlashFailed, mac, event.Client, from, now, fmt.Sprintf("%s failed: %s", mac, reasonOr(s.Reason)), nil).
			With(append(image, slog.String("err", reasonOr(s.Reason)))...)
		if s.Reason != "" {
			e.Details = ledger.Details(failure{s.Reason})
		}
		return e, nil
	})
	if err == nil {
		f.activity.finish(mac, from, now)
	}
	return err
}

type failure struct {
	Reason string `json:"reason"`
}

func reasonOr(reason string) string {
	if reason == "" {
		return "it gave no reason"
	}
	return reason
}

// report runs one report of a known machine. An unknown one is an orphan: that is recorded, and
// the machine is told.
func (f *Fleet) report(ctx context.Context, mac machine.MAC, from netip.Addr, lost orphan, fn func(Tx, *machine.Machine) (event.Event, error)) error {
	var isKnown bool
	ctx = context.WithoutCancel(ctx) // what happened on the machine has happened, whoever hung up
	err := f.commit(ctx, func(tx Tx) ([]event.Event, error) {
		m, own, found, err := known(tx, mac)
		if isKnown = found; err != nil {
			return nil, err
		}
		if !found {
			return []event.Event{machineEvent(event.ClientOrphan, mac, event.Client, from, f.Now(),
				fmt.Sprintf("%s sent %q but has no record", mac, lost.Signal), lost)}, nil
		}
		e, err := fn(tx, &m)
		if err != nil {
			return nil, err
		}
		return []event.Event{e}, tx.PutMachine(boot.Store(m, own))
	})
	if err == nil && !isKnown {
		return unknownMachine(mac)
	}
	return err
}

// orphan is what the event of a report without a machine carries.
type orphan struct {
	Signal    string `json:"signal"`
	DiskCount *int   `json:"disk_count,omitempty"` // of an inventory
}

// Progress records how far a live environment is. The start of a stage is committed; what
// happens within one stays in memory.
func (f *Fleet) Progress(ctx context.Context, mac machine.MAC, from netip.Addr, p wire.Progress) error {
	if _, found, err := f.lookup(mac); err != nil {
		return err
	} else if !found {
		return unknownMachine(mac)
	}
	now := f.Now()
	begins := f.activity.advance(mac, from, p, now)
	f.Ledger.Progress(mac, p)
	if !begins {
		return nil
	}
	err := f.commit(ctx, func(Tx) ([]event.Event, error) {
		text := fmt.Sprintf("%s: stage %s", mac, p.Stage)
		if p.Detail != "" {
			text += ": " + p.Detail
		}
		return []event.Event{machineEvent(event.MachineStage, mac, event.Client, from, now, text, p).With(slog.String("stage", p.Stage))}, nil
	})
	if err != nil {
		f.activity.retract(mac, p.Stage)
	}
	return err
}

// Heard records that a machine said something that only its own live environment can say.
func (f *Fleet) Heard(mac machine.MAC, from netip.Addr) error {
	if _, found, err := f.lookup(mac); err != nil {
		return err
	} else if !found {
		return unknownMachine(mac)
	}
	f.activity.contact(mac, from, f.Now(), false)
	return nil
}

// Picked records what somebody chose at a machine's console. The same again is no news.
func (f *Fleet) Picked(ctx context.Context, mac machine.MAC, from netip.Addr, p wire.Pick) error {
	if err := f.Heard(mac, from); err != nil || !f.activity.picks(mac, p) {
		return err
	}
	now := f.Now()
	err := f.commit(context.WithoutCancel(ctx), func(Tx) ([]event.Event, error) {
		about := append(imageAttrs(p.Image, p.Ref), slog.String("disk", p.Disk), slog.String("serial", p.Serial))
		return []event.Event{machineEvent(event.MachinePicked, mac, event.Client, from, now, fmt.Sprintf("%s: %s", mac, picked(p)), p).With(about...)}, nil
	})
	if err != nil {
		f.activity.unpick(mac)
	}
	return err
}

// picked says what somebody chose at the console.
func picked(p wire.Pick) string {
	text := fmt.Sprintf("%s was picked by hand at the console", p.Image)
	switch {
	case p.Disk != "" && p.Serial != "":
		return fmt.Sprintf("%s for %s (serial %s)", text, p.Disk, p.Serial)
	case p.Disk != "":
		return fmt.Sprintf("%s for %s, a disk without a serial", text, p.Disk)
	case p.Serial != "":
		return fmt.Sprintf("%s for the disk with the serial %s", text, p.Serial)
	}
	return text
}
