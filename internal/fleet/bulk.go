package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

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
	// Fingerprint is of the machines that somebody was shown: unless they still are those that are
	// selected, nothing is done. "" does not ask.
	Fingerprint string
}

// Fingerprint stands for some machines: thousands of MACs have no room in a form.
func Fingerprint(macs []machine.MAC) string {
	sum := sha256.New()
	for _, mac := range macs {
		sum.Write(mac[:])
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
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
	if sel.Fingerprint != "" && sel.Fingerprint != Fingerprint(macs) {
		return nil, fault.New(fault.Conflict, "the selection no longer has the machines that you were shown, so nothing was done; look again at what would happen")
	}
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
			events = append(events, machineEvent(step.kind, mac, event.Operator, who.From, now, fmt.Sprintf("%s: %s (with others)", mac, step.done.What), step.carried()).With(boundImage(tx, step.next)...))
		}
		return events, nil
	})
	if err != nil {
		return nil, err
	}
	for _, mac := range gone {
		f.forget(mac)
	}
	return report, nil
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
