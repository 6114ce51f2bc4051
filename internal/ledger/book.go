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
	Events(event.Filter) ([]event.Event, error)
	TrimEvents(keep, limit uint64) (deleted uint64, err error)
}

// Store runs transactions. Update returns once its writes are on disk.
type Store interface {
	View(func(Tx) error) error
	Update(context.Context, func(Tx) error) error
}

// Book is the audit log itself: it is read, acknowledged and kept within its bound.
type Book struct {
	Store  Store
	Ledger *Ledger
	Keep   uint64 // how many events are kept
}

const (
	trimEvery = 10 * time.Second
	trimBatch = 2000 // events that one transaction deletes, so that nobody waits long for it
)

// Events returns what the filter selects, newest first.
func (b Book) Events(f event.Filter) ([]event.Event, error) {
	found := []event.Event{}
	err := b.Store.View(func(tx Tx) (err error) { found, err = tx.Events(f); return err })
	return found, err
}

// Acknowledge marks an event as seen by the operator.
func (b Book) Acknowledge(ctx context.Context, id event.ID) error {
	return b.Store.Update(ctx, func(tx Tx) error {
		e, found, err := tx.Event(id)
		if err != nil || e.Acknowledged {
			return err
		}
		if !found {
			return fault.New(fault.NotFound, "no event with id %d", id)
		}
		e.Acknowledged = true
		return tx.PutEvent(e)
	})
}

// Record stores an event that belongs to no other change.
func (b Book) Record(ctx context.Context, e event.Event) error {
	return Commit(ctx, b.Ledger, b.Store.Update, func(Tx) ([]event.Event, error) { return []event.Event{e}, nil })
}

// Trim deletes the oldest events beyond Keep, a few at a time, until ctx ends.
func (b Book) Trim(ctx context.Context) error {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for deleted := uint64(trimBatch); deleted == trimBatch && ctx.Err() == nil; {
			err := b.Store.Update(ctx, func(tx Tx) (err error) { deleted, err = tx.TrimEvents(b.Keep, trimBatch); return err })
			if err != nil {
				b.Ledger.log.Warn("old events could not be deleted; the next try follows", "err", err)
				break
			}
		}
	}
}
