// Package agent is the unattended run of a machine: report the hardware, ask the server for the
// plan, do what it says, report how it went. It decides nothing about boot policy; the server
// does. It never reboots: its Outcome says what happened, and the caller acts on it.
package agent

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"bty/internal/client"
	"bty/internal/disk"
	"bty/internal/flash"
	"bty/internal/wire"
)

// Agent runs one machine's plan. Its functions are the machine underneath.
type Agent struct {
	Client   *client.Client
	Disks    func(ctx context.Context) ([]disk.Device, error)
	Flash    func(ctx context.Context, req flash.Request, report func(flash.Progress)) (flash.Result, error)
	Hardware func() (json.RawMessage, error)
	Console  *Console
	Limits   Limits
	Reboots  bool // the caller reboots after a flash; only the words on the console depend on it
	Stays    bool // while the server wants a person, wait for what the person chooses in its pages

	// Wizard lets a person choose on the spot, where there is one and a terminal; may be nil. It
	// returns when the person is done with it or ctx ends. What it flashes it gives to Chosen.
	Wizard func(ctx context.Context, plan wire.Plan) error

	hands sync.Mutex // held by who flashes: a person's choice and a plan exclude each other
}

// Result is how a run ended without an error.
type Result uint8

// What a run did. Interactive means that the server wants a person to choose; a run that Stays
// ends so only when the person is done with the wizard.
const (
	Exit Result = iota
	Flashed
	Inventoried
	Interactive
)

// Outcome is what a run did.
type Outcome struct {
	Result Result
	Flash  flash.Result // of Flashed
	Told   error        // why the server could not be told; nil if it was, or nothing was to tell
}

// Limits bounds every wait of a run. A zero field takes the default.
type Limits struct {
	Plan       Pace          // retries of GET plan: DHCP may just have come up
	Status     Pace          // retries of the final report: a restart of the server must not lose it
	Person     Pace          // the same while a person waits for it
	Inventory  Pace          // retries of the inventory
	LateDisks  time.Duration // how long a disk may take to appear
	Rescan     time.Duration // between two looks for it
	Settle     time.Duration // the list of disks must be unchanged for this long to be reported
	Disks      time.Duration // listing the disks, their drivers included, may hang in a dying one
	Hardware   time.Duration // reading /sys of failing hardware may hang
	Join       time.Duration // how long an exit waits for the inventory in the background
	LastReport time.Duration // how long a person's Ctrl-C waits for the report of it
	Beat       time.Duration // between two progress reports
	Ask        time.Duration // between two requests for the plan while a person is awaited
}

var (
	defaultPlan   = Pace{For: 2 * time.Minute, First: time.Second, Max: 10 * time.Second}
	defaultStatus = Pace{For: 150 * time.Second, First: 500 * time.Millisecond, Max: 10 * time.Second}
	defaultPerson = Pace{For: 30 * time.Second, First: 500 * time.Millisecond, Max: 5 * time.Second}
)

func (l Limits) filled() Limits {
	l.Plan = l.Plan.or(defaultPlan)
	l.Status = l.Status.or(defaultStatus)
	l.Person = l.Person.or(defaultPerson)
	l.Inventory = l.Inventory.or(defaultStatus)
	for field, fallback := range map[*time.Duration]time.Duration{
		&l.LateDisks: 20 * time.Second, &l.Rescan: 500 * time.Millisecond, &l.Settle: time.Second,
		&l.Disks: time.Minute, &l.Hardware: 30 * time.Second, &l.Join: 15 * time.Second, &l.LastReport: 5 * time.Second, &l.Beat: time.Second,
		&l.Ask: 30 * time.Second,
	} {
		if *field == 0 {
			*field = fallback
		}
	}
	return l
}

// Run does what the server says, once. It returns when everything it started has ended, but for a
// call that hangs in dying hardware, which nothing can end.
func (a *Agent) Run(ctx context.Context) (Outcome, error) {
	r := &run{Agent: a, limits: a.Limits.filled()}
	inventory := r.startInventory(ctx)
	defer func() { r.endInventory(ctx, inventory) }()

	plan, err := r.plan(ctx)
	if err != nil {
		inventory.abandon() // there is no server to send it to
		return Outcome{}, err
	}
	inventory.machineIsKnown()
	if r.Stays && wantsPerson(plan) {
		if plan, err = r.stay(ctx, plan); err != nil || plan.Mode == "" {
			return Outcome{Result: Interactive}, err
		}
		// Hours may have passed: the report of now is the one that counts.
		r.endInventory(ctx, inventory)
		inventory = r.startInventory(ctx)
		inventory.machineIsKnown()
	}
	switch plan.Mode {
	case wire.PlanFlash:
		return r.flash(ctx, plan)
	case wire.PlanInventory:
		return r.inventoried(inventory)
	case wire.PlanExit:
		r.Console.Line("nothing to do here: %s", either(plan.Reason, "the machine boots its own disk"))
		return Outcome{Result: Exit}, nil
	default:
		if r.Wizard != nil {
			return Outcome{Result: Interactive}, r.Wizard(ctx, plan)
		}
		r.interactive(plan)
		return Outcome{Result: Interactive}, nil
	}
}

// run is one Run with its limits filled in.
type run struct {
	*Agent
	limits Limits
}

func either(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
