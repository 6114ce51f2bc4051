// Package ledger ties what happened to the change that made it happen: the events of a use case
// are stored in its transaction, and told to the live streams and the journal once that is on disk.
package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"bty/internal/event"
	"bty/internal/flood"
	"bty/internal/machine"
	"bty/internal/message"
	"bty/internal/wire"
)

// Ledger announces what has been stored. It is safe for concurrent use.
type Ledger struct {
	log       *slog.Logger
	strangers *flood.Log // what they cause
	news      *news
	hears     func(event.Event)
}

// New returns a Ledger that writes to the journal through log.
func New(log *slog.Logger) *Ledger {
	return &Ledger{log: log, strangers: flood.New(log, message.Flood), news: newNews()}
}

// Tell has fn called with each event once it is stored. It is for one caller, before anything
// happens; fn must be quick.
func (l *Ledger) Tell(fn func(event.Event)) { l.hears = fn }

// Appender is what a transaction must offer to carry events.
type Appender interface {
	AppendEvent(*event.Event) error
}

// Commit runs one use case in one transaction of update and announces its events afterwards.
// fn may run more than once; only what its last run returned counts.
func Commit[T Appender](ctx context.Context, l *Ledger, update func(context.Context, func(T) error) error, fn func(T) ([]event.Event, error)) error {
	var happened []event.Event
	err := update(ctx, func(tx T) (err error) {
		if happened, err = fn(tx); err != nil {
			return err
		}
		for i := range happened {
			if happened[i].Actor == event.Operator {
				happened[i].By = event.ByOf(ctx)
			}
			if err := tx.AppendEvent(&happened[i]); err != nil {
				return fmt.Errorf("append event %s: %w", happened[i].Kind, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range happened {
		l.announce(&happened[i])
	}
	return nil
}

// Progress tells the live streams how far a live environment is.
func (l *Ledger) Progress(mac machine.MAC, p wire.Progress) {
	l.news.advanced(mac, p)
}

// Details encodes what an event carries. The types are the program's own, which always encode.
func Details(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode event details %T: %v", v, err))
	}
	return raw
}
