// Package takeover takes the state of the previous system over: machines, images and settings,
// all in one transaction or not at all. Everything is checked before anything is written.
package takeover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/ledger"
	"bty/internal/store"
	"bty/internal/wire"
)

// MaxBody is how many bytes a state may have on its way: it is held in memory.
const MaxBody = 512 << 20

// Config is what a Taker works with.
type Config struct {
	Store  *store.Store
	Ledger *ledger.Ledger
	Now    func() time.Time
	// Joined is told of the machines that are new; Refresh, that settings may be others. Nil is nobody.
	Joined  func(machines int64)
	Seen    func(fleet.Sight)
	Refresh func() error
}

// Taker takes states over, one at a time.
type Taker struct {
	Config
	busy sync.Mutex
}

// New returns a Taker.
func New(c Config) *Taker { return &Taker{Config: c} }

// errNothing ends a transaction that is to write nothing.
var errNothing = errors.New("nothing is to be written")

// Take takes a state over, or says what would become of it.
func (t *Taker) Take(ctx context.Context, in wire.PreviousState, who fleet.Who) (wire.Takeover, error) {
	if !t.busy.TryLock() {
		return wire.Takeover{}, fault.New(fault.Conflict, "another import is under way; wait until it has ended")
	}
	defer t.busy.Unlock()
	how, err := policyOf(in)
	if err != nil {
		return wire.Takeover{}, err
	}
	now := t.Now()
	rows := parseAll(in.Machines, now) // before the transaction, during which nobody else's is committed
	var p *plan
	err = t.Store.View(func(tx *store.Tx) (err error) { p, err = planOf(tx, in, rows, how, now); return err })
	switch {
	case err != nil:
		return wire.Takeover{}, err
	case in.DryRun || p.blocked():
		return p.report(in, false), nil
	}
	err = ledger.Commit(ctx, t.Ledger, t.Store.Update, func(tx *store.Tx) ([]event.Event, error) {
		var err error
		if p, err = planOf(tx, in, rows, how, now); err != nil {
			return nil, err
		}
		if p.blocked() { // since a moment ago
			return nil, errNothing
		}
		if err := p.write(tx); err != nil || len(p.writes) == 0 {
			return nil, err
		}
		return p.events(in, who.From, now), nil
	})
	switch {
	case errors.Is(err, errNothing):
		return p.report(in, false), nil
	case err != nil:
		return wire.Takeover{}, err
	}
	return p.report(in, true), t.told(p)
}

// told has those who keep something of it in memory know.
func (t *Taker) told(p *plan) error {
	if t.Joined != nil {
		t.Joined(p.joined)
	}
	if t.Seen != nil {
		for _, one := range p.seen {
			t.Seen(one)
		}
	}
	if t.Refresh == nil {
		return nil
	}
	return t.Refresh()
}

// policy is what becomes of what is known here otherwise.
type policy struct{ replace, keep, skip bool }

func policyOf(in wire.PreviousState) (policy, error) {
	switch in.Conflict {
	case "", "refuse", "replace", "keep":
		return policy{in.Conflict == "replace", in.Conflict == "keep", in.SkipBad}, nil
	}
	return policy{}, fault.New(fault.Rejected, "conflict is %.40q; it must be refuse, replace or keep", in.Conflict)
}

// conflict is the outcome of a row that is known here otherwise.
func (p policy) conflict(differs string) (outcome, reason string) {
	switch {
	case p.replace:
		return wire.TakenReplaced, differs
	case p.keep:
		return wire.TakenKept, differs
	}
	return wire.TakenConflict, differs
}

// plan is what is to be done, in the order of its rows.
type plan struct {
	policy
	parsed []parsed // its machines
	rows   []wire.TakeoverRow
	writes []func(*store.Tx) error
	taken  []taken // machines that are written
	seen   []fleet.Sight
	joined int64 // of those, the ones that are new here
	flash  []string
	// arriving are the images that are written.
	arriving map[catalog.ImageRef]bool
}

// planOf checks every row against what is known here. It writes nothing.
func planOf(tx *store.Tx, in wire.PreviousState, rows []parsed, how policy, now time.Time) (*plan, error) {
	p := &plan{policy: how, parsed: rows}
	for _, step := range []func(*store.Tx, wire.PreviousState, time.Time) error{p.images, p.machines, p.settings} {
		if err := step(tx, in, now); err != nil {
			return nil, err
		}
	}
	for _, row := range in.Lost {
		p.add(row.Kind, row.ID, wire.TakenNot, row.Reason)
	}
	return p, p.noteMark(tx, in)
}

func (p *plan) add(kind, id, outcome, reason string) {
	p.rows = append(p.rows, wire.TakeoverRow{Kind: kind, ID: id, Outcome: outcome, Reason: reason})
}

// refuse notes a row that cannot be taken.
func (p *plan) refuse(kind, id, why string) {
	if p.skip {
		p.add(kind, id, wire.TakenNot, "as was asked for: "+why)
		return
	}
	p.add(kind, id, wire.TakenRefused, why)
}

// blocked reports whether a row keeps everything from being written.
func (p *plan) blocked() bool {
	n := p.outcomes()
	return n[wire.TakenRefused]+n[wire.TakenConflict] > 0
}

func (p *plan) outcomes() map[string]int {
	n := map[string]int{}
	for _, row := range p.rows {
		n[row.Outcome]++
	}
	return n
}

func (p *plan) write(tx *store.Tx) error {
	for _, write := range p.writes {
		if err := write(tx); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) report(in wire.PreviousState, written bool) wire.Takeover {
	report := wire.Takeover{Source: in.Source, Catalog: in.Catalog, MadeBy: in.MadeBy, DryRun: in.DryRun, Written: written, Outcomes: p.outcomes(), WillFlash: p.flash, Events: in.Events, Rows: p.rows}
	if report.WillFlash == nil {
		report.WillFlash = []string{}
	}
	if report.Rows == nil {
		report.Rows = []wire.TakeoverRow{}
	}
	return report
}

// shown is a text of the other system in a message: bounded and in quotes.
func shown(s string) string { return fmt.Sprintf("%.80q", s) }
