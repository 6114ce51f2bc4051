package ledger

import (
	"context"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
)

// Tx is what the audit log needs of one transaction.
type Tx interface {
	Appender
	Event(event.ID) (event.Event, bool, error)
	PutEvent(event.Event) error
	DeleteEvent(event.ID) error
	NewestEvent() event.ID
	OldestEventAt() (time.Time, error)
	Events(event.Filter) ([]event.Event, error)
	CountEvents(event.Filter) (int, error)
	EachBrief(before event.ID, fn func(event.Brief) bool) (ready bool)
	TrimEvents(keep uint64, before time.Time, limit int) (deleted int, err error)
}

// Store runs transactions. Update returns once its writes are on disk.
type Store interface {
	View(func(Tx) error) error
	Update(context.Context, func(Tx) error) error
}

// Book is the audit log itself: it is read, acknowledged and kept within its bounds.
type Book struct {
	Store    Store
	Ledger   *Ledger
	Keep     uint64           // how many events are kept
	KeepDays func() int       // for how long, 0 is for ever; nil is 0
	Now      func() time.Time // nil is time.Now
	// Beside is Store.Update for work that nobody waits for; nil is Store.Update itself.
	Beside func(context.Context, func(Tx) error) error
}

// Events returns what the filter selects, newest first.
func (b Book) Events(f event.Filter) ([]event.Event, error) {
	found := []event.Event{}
	err := b.Store.View(func(tx Tx) (err error) { found, err = tx.Events(f); return err })
	return found, err
}

// Newest is the ID of the newest event, 0 if there never was one.
func (b Book) Newest() (id event.ID, err error) {
	err = b.Store.View(func(tx Tx) error { id = tx.NewestEvent(); return nil })
	return id, err
}

// Alarms is how many events ask for the operator's attention and were not acknowledged.
func (b Book) Alarms() (int, error) {
	return b.Count(event.Filter{AlarmsOnly: true, UnacknowledgedOnly: true})
}

// Count is how many events the filter selects, page bounds aside.
func (b Book) Count(f event.Filter) (n int, err error) {
	err = b.Store.View(func(tx Tx) (err error) { n, err = tx.CountEvents(f); return err })
	return n, err
}

// Page is one page of the events that a filter selects.
type Page struct {
	Events []event.Event // newest first
	Total  int           // on all pages
	Number int           // of this page, from 1
	Pages  int           // at least 1
}

// Page returns page number of the events that the filter selects, size events to a page: the
// last one if there are fewer pages.
func (b Book) Page(f event.Filter, number, size int) (Page, error) {
	p := Page{Number: number}
	size = max(size, 1)
	err := b.Store.View(func(tx Tx) (err error) {
		if p.Total, err = tx.CountEvents(f); err != nil {
			return err
		}
		p.Pages = max(1, (p.Total+size-1)/size)
		p.Number = min(max(number, 1), p.Pages)
		f.Skip, f.Limit = (p.Number-1)*size, size
		p.Events, err = tx.Events(f)
		return err
	})
	return p, err
}

// Acknowledge marks an event as seen by the operator.
func (b Book) Acknowledge(ctx context.Context, id event.ID) error {
	known, err := b.Mark(ctx, []event.ID{id}, true)
	if err == nil && known == 0 {
		return fault.New(fault.NotFound, "no event with id %d", id)
	}
	return err
}

// MaxMarked is how many events can be acknowledged at one time.
const MaxMarked = 1000

// Mark acknowledges events, or takes that back, and reports how many of them there are.
func (b Book) Mark(ctx context.Context, ids []event.ID, seen bool) (known int, err error) {
	if len(ids) > MaxMarked {
		return 0, fault.New(fault.Rejected, "%d events were named and at most %d can be acknowledged at one time; name fewer", len(ids), MaxMarked)
	}
	err = b.Store.Update(ctx, func(tx Tx) error {
		known = 0
		for _, id := range ids {
			e, found, err := tx.Event(id)
			if err != nil {
				return err
			}
			if !found {
				continue
			}
			known++
			if e.Acknowledged == seen {
				continue
			}
			e.Acknowledged = seen
			if err := tx.PutEvent(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		b.Ledger.news.marked()
	}
	return known, err
}

// Record stores an event that belongs to no other change.
func (b Book) Record(ctx context.Context, e event.Event) error {
	return Commit(ctx, b.Ledger, b.Store.Update, func(Tx) ([]event.Event, error) { return []event.Event{e}, nil })
}
