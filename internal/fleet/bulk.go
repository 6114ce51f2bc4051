package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bty/internal/boot"
	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/machine"
	"bty/internal/rule"
)

const (
	maxSelection = 10_000 // machines that one request may act on
	bulkBatch    = 250    // machines in one transaction, so that contacts never wait long for it
)

// Selection is the machines that an action is for: those named, or those that a query selects.
type Selection struct {
	MACs  []machine.MAC
	Query *Query
}

// ActionKind is what to do with each machine.
type ActionKind string

const (
	ActionArm     ActionKind = "arm"
	ActionSet     ActionKind = "set"
	ActionRelease ActionKind = "release"
	ActionDelete  ActionKind = "delete"
)

// ActionKinds lists them.
var ActionKinds = []ActionKind{ActionArm, ActionSet, ActionRelease, ActionDelete}

// Action is what to do with each machine of a selection.
type Action struct {
	Kind ActionKind
	Edit Edit // of ActionSet
}

// Edit changes a part of what machines have set for themselves. What is nil stays.
type Edit struct {
	Mode         *machine.BootMode
	Image        *catalog.ImageRef // zero: none
	Serial       *string           // "": none
	Disk         *rule.DiskRule    // chooses the serial now, among the disks that are known
	AddLabels    []string
	RemoveLabels []string
}

// Done is what an action came to for one machine.
type Done struct {
	MAC     machine.MAC
	Changed bool
	What    string // changed, or why nothing was
	Refused bool
}

// Result says it in a word.
func (d Done) Result() string {
	switch {
	case d.Refused:
		return "refused"
	case d.Changed:
		return "changed"
	}
	return "unchanged"
}

// BulkReport is what an action came to.
type BulkReport struct {
	Machines                    []Done
	Changed, Unchanged, Refused int
}

// MACs are the machines that were acted on, or would be, in their order.
func (r *BulkReport) MACs() []machine.MAC {
	macs := make([]machine.MAC, len(r.Machines))
	for i, d := range r.Machines {
		macs[i] = d.MAC
	}
	return macs
}

func (r *BulkReport) add(done []Done) {
	for _, d := range done {
		switch {
		case d.Refused:
			r.Refused++
		case d.Changed:
			r.Changed++
		default:
			r.Unchanged++
		}
	}
	r.Machines = append(r.Machines, done...)
}

// Bulk acts on many machines, a batch to a transaction. Each machine has its line in the report:
// one that is refused keeps none from being changed. If the state fails half-way, the error says
// how far it came.
func (f *Fleet) Bulk(ctx context.Context, sel Selection, a Action, who Who) (BulkReport, error) {
	report := BulkReport{Machines: []Done{}}
	macs, err := f.selected(sel, a)
	if err != nil {
		return report, err
	}
	for batch := range slices.Chunk(macs, bulkBatch) {
		done, err := f.bulkBatch(ctx, batch, a, who)
		if err != nil {
			return report, brokenOff(err, len(report.Machines), len(macs))
		}
		report.add(done)
	}
	return report, nil
}

// brokenOff tells whoever gets no report how far the action came.
func brokenOff(err error, done, all int) error {
	if done == 0 {
		return err
	}
	return fault.Wrap(fault.KindOf(err), err, "%s. %d of %d machines had their turn before that, and their events say what became of them; repeat it for the rest", fault.Public(err), done, all)
}

func (f *Fleet) selected(sel Selection, a Action) ([]machine.MAC, error) {
	if err := f.checkAction(a); err != nil {
		return nil, err
	}
	return f.Selected(sel)
}

// Selected is the machines of a selection, none twice.
func (f *Fleet) Selected(sel Selection) (macs []machine.MAC, err error) {
	if sel.Query != nil {
		if macs, err = f.Select(*sel.Query); err != nil {
			return nil, err
		}
	}
	seen := map[machine.MAC]bool{}
	macs = slices.DeleteFunc(slices.Concat(macs, sel.MACs), func(mac machine.MAC) bool {
		again := seen[mac]
		seen[mac] = true
		return again
	})
	if len(macs) > maxSelection {
		return nil, fault.New(fault.Rejected, "%d machines are selected, and one request acts on at most %d; narrow the selection, by a label for example", len(macs), maxSelection)
	}
	return macs, nil
}

// checkAction refuses what would be wrong for every machine.
func (f *Fleet) checkAction(a Action) error {
	if !slices.Contains(ActionKinds, a.Kind) {
		return fault.New(fault.Rejected, "%q is no action; it is arm, set, release or delete", a.Kind)
	}
	e := a.Edit
	if a.Kind == ActionSet && e.Mode == nil && e.Image == nil && e.Serial == nil && e.Disk == nil && len(e.AddLabels)+len(e.RemoveLabels) == 0 {
		return fault.New(fault.Rejected, "set changes nothing; say a boot mode, an image, a disk or labels")
	}
	if e.Image == nil || e.Image.IsZero() {
		return nil
	}
	return f.Store.View(func(tx Tx) error {
		_, found, err := tx.Image(*e.Image)
		if err == nil && !found {
			return fault.New(fault.Rejected, "the catalog has no image %s; add it on the Images page first", e.Image)
		}
		return err
	})
}

func (f *Fleet) bulkBatch(ctx context.Context, macs []machine.MAC, a Action, who Who) (report []Done, err error) {
	now := f.Now()
	var gone []machine.MAC
	err = f.commit(ctx, func(tx Tx) (events []event.Event, err error) {
		report, gone = nil, nil
		for _, mac := range macs {
			step, err := take(tx, mac, a, now)
			if err != nil {
				return nil, err
			}
			report = append(report, step.done)
			if !step.done.Changed {
				continue
			}
			if a.Kind == ActionDelete {
				gone = append(gone, mac)
				err = tx.DeleteMachine(mac)
			} else {
				err = tx.PutMachine(step.next)
			}
			if err != nil {
				return nil, err
			}
			events = append(events, machineEvent(step.kind, mac, event.Operator, who.From, now, fmt.Sprintf("%s: %s (with others)", mac, step.done.What), step.carried()))
		}
		return events, nil
	})
	if err != nil {
		return nil, err
	}
	for _, mac := range gone {
		f.machines.Add(-1)
		f.activity.forget(mac)
	}
	return report, nil
}

// step is what an action comes to for one machine, before anything is stored.
type step struct {
	was, next machine.Machine
	kind      event.Kind
	done      Done
}

func (s step) carried() any {
	if s.kind == event.MachineDeleted {
		return nil
	}
	return policyOf(s.next.Intent)
}

// take decides what an action comes to for one machine.
func take(tx Tx, mac machine.MAC, a Action, now time.Time) (step, error) {
	m, found, err := tx.Machine(mac)
	if err != nil {
		return step{}, err
	}
	s := step{was: m, next: m, kind: event.MachineUpserted, done: Done{MAC: mac}}
	if !found {
		return s.refuse("there is no record of it any more"), nil
	}
	switch a.Kind {
	case ActionArm:
		return s.arm(tx, now)
	case ActionDelete:
		s.kind = event.MachineDeleted
		return s.did("deleted"), nil
	case ActionRelease:
		return s.save(tx, released(m.Intent), "released: rules decide", now)
	case ActionSet:
		return s.set(tx, a.Edit, now)
	}
	return s, nil
}

func (s step) refuse(why string) step {
	s.done.Refused, s.done.What = true, why
	return s
}

func (s step) did(what string) step {
	s.done.Changed, s.done.What = true, what
	return s
}

func (s step) arm(tx Tx, now time.Time) (step, error) {
	m, err := settled(tx, s.was)
	if err != nil {
		return s, err
	}
	if !m.Intent.Mode.Cycles() {
		return s.refuse(fault.Public(nothingToArm(m))), nil
	}
	m.Arm(now)
	s.kind, s.next = event.MachineArmed, boot.Store(m, s.was.Intent)
	return s.did("armed: " + m.Intent.Mode.String()), nil
}

// save stores another intent, unless it is the same.
func (s step) save(tx Tx, want machine.Intent, what string, now time.Time) (step, error) {
	if want.Equal(s.was.Intent) {
		s.done.What = "it was so before"
		return s, nil
	}
	next, armed, err := save(tx, s.was, want, now)
	if err != nil {
		return s, err
	}
	if s.next = next; armed {
		what += "; its next boot begins a new cycle"
	}
	return s.did(what), nil
}

// maxLabels is how many labels a machine can have.
const maxLabels = 16

// set edits what a machine has set for itself.
func (s step) set(tx Tx, e Edit, now time.Time) (step, error) {
	want := s.was.Intent
	want.Labels = slices.DeleteFunc(slices.Concat(want.Labels, e.AddLabels), func(l string) bool { return slices.Contains(e.RemoveLabels, l) })
	want = canonical(want)
	if len(want.Labels) > maxLabels {
		return s.refuse(fmt.Sprintf("it would have %d labels, and can have %d", len(want.Labels), maxLabels)), nil
	}
	if e.Mode != nil {
		want.Mode, want.Free = *e.Mode, false
	}
	if e.Image != nil {
		want.Image = *e.Image
	}
	if e.Serial != nil {
		want.TargetSerial = *e.Serial
	}
	if e.Disk != nil {
		serial, why, err := choose(tx, s.was.MAC, *e.Disk)
		if err != nil || why != "" {
			return s.refuse("no target disk: " + why), err
		}
		want.TargetSerial = serial
	}
	if e.Mode != nil || e.Image != nil || e.Serial != nil || e.Disk != nil {
		if why, err := s.unflashable(tx, want); err != nil || why != "" {
			return s.refuse(why), err
		}
	}
	return s.save(tx, want, "set: "+describe(e, want), now)
}

func choose(tx Tx, mac machine.MAC, r rule.DiskRule) (serial, why string, err error) {
	h, found, err := tx.Hardware(mac)
	if err != nil {
		return "", "", err
	}
	if !found {
		serial, why = r.Choose(nil)
		return serial, why, nil
	}
	serial, why = r.Choose(&h)
	return serial, why, nil
}

// unflashable says why a machine that is to be flashed could not be.
func (s step) unflashable(tx Tx, want machine.Intent) (why string, err error) {
	m := s.was
	m.Intent = want
	assigned, err := assign(tx, m)
	switch {
	case err != nil || !assigned.Mode.Flashes():
		return "", err
	case assigned.Image.IsZero():
		return fmt.Sprintf("%s needs an image, and neither the machine nor a rule has one", assigned.Mode), nil
	case assigned.NoDisk != "":
		return "no target disk: " + assigned.NoDisk, nil
	case assigned.Serial == "":
		return fmt.Sprintf("%s needs a target disk, and neither the machine nor a rule has one", assigned.Mode), nil
	}
	return "", nil
}

func describe(e Edit, want machine.Intent) string {
	var parts []string
	if e.Mode != nil {
		parts = append(parts, want.Mode.String())
	}
	if e.Image != nil && want.Image.IsZero() {
		parts = append(parts, "no image")
	} else if e.Image != nil {
		parts = append(parts, "image "+want.Image.Short())
	}
	if e.Serial != nil || e.Disk != nil {
		parts = append(parts, "disk "+cmp.Or(want.TargetSerial, "none"))
	}
	if len(e.AddLabels)+len(e.RemoveLabels) > 0 {
		parts = append(parts, "labels "+cmp.Or(strings.Join(want.Labels, ", "), "none"))
	}
	return strings.Join(parts, ", ")
}

// PreviewBulk says what an action would come to: the report as Bulk would give it, and the
// machines whose next boot it would change.
func (f *Fleet) PreviewBulk(sel Selection, a Action) (report BulkReport, p Preview, err error) {
	report.Machines = []Done{}
	macs, err := f.selected(sel, a)
	if err != nil {
		return report, p, err
	}
	err = f.Store.View(func(tx Tx) error {
		now := f.Now()
		set, err := tx.Rules()
		if err != nil {
			return err
		}
		look := f.lookout(tx, now)
		for _, mac := range macs {
			s, err := take(tx, mac, a, now)
			if err != nil {
				return err
			}
			report.add([]Done{s.done})
			if !s.done.Changed || a.Kind == ActionDelete {
				continue
			}
			if err := p.compare(look, s.was, set, s.next, set); err != nil {
				return err
			}
		}
		return nil
	})
	return report, p, err
}
