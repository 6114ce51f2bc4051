package ledger

import (
	"context"
	"time"

	"bty/internal/message"
)

const (
	tendEvery = 10 * time.Second
	trimBatch = 200                   // events that one transaction deletes
	breather  = 10 * time.Millisecond // between transactions that tend the log, so that nobody waits long for them
)

// Tend keeps the log within its bounds until ctx ends: contacts are folded, and the oldest events
// deleted, a few at a time.
func (b Book) Tend(ctx context.Context) error {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	age := newAge(time.Now())
	trim := func(ctx context.Context) error { return b.trimAged(ctx, age, time.Now()) }
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for _, work := range []func(context.Context) error{b.FoldContacts, trim} {
			if err := work(ctx); err != nil && ctx.Err() == nil {
				b.Ledger.log.Warn("the audit log could not be tended; the next try follows", message.LogUntended, "err", err)
			}
		}
	}
}

// Trim deletes the events beyond Keep and those from before a time (zero does not bound), until
// there are none.
func (b Book) Trim(ctx context.Context, before time.Time) error {
	for deleted := trimBatch; deleted == trimBatch && pause(ctx); {
		err := b.beside(ctx, func(tx Tx) (err error) { deleted, err = tx.TrimEvents(b.Keep, before, trimBatch); return err })
		if err != nil {
			return err
		}
	}
	return nil
}

func (b Book) beside(ctx context.Context, fn func(Tx) error) error {
	if b.Beside == nil {
		return b.Store.Update(ctx, fn)
	}
	return b.Beside(ctx, fn)
}

func (b Book) now() time.Time {
	if b.Now == nil {
		return time.Now()
	}
	return b.Now()
}

// pause lets others through, and reports whether to go on.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(breather):
		return true
	}
}
