package ledger

import (
	"context"
	"time"

	"bty/internal/message"
)

// age says up to when events are deleted for their age. A clock that jumps ahead makes every event
// look old, and a log that was deleted does not come back when somebody mends the clock. So the
// limit follows the clock at a walk: a day of the log in each hour that the process has run.
type age struct {
	limit time.Time // zero before the first event
	days  int       // that were kept when it was set
	moved time.Time // when, with the reading of the monotonic clock
	told  bool      // that the clock is far ahead
}

const (
	agePace  = 24             // days of the log in a day
	ageFar   = 48 * time.Hour // behind the clock is worth a line in the journal
	dayHours = 24 * time.Hour
)

// newAge begins now, which must have the reading of the monotonic clock that no jump changes.
func newAge(now time.Time) *age { return &age{moved: now} }

// follow moves the limit towards what the clock says, and reports how far behind that it stays.
// oldest is the time of the oldest event: up to there is nothing to delete, and nothing to lose.
func (a *age) follow(wall time.Time, days int, oldest, now time.Time) (behind time.Duration) {
	want := wall.AddDate(0, 0, -days)
	walked := now.Sub(a.moved) * agePace
	a.moved = now
	next := a.limit.Add(walked)
	if a.days > days { // the operator wants fewer
		next = next.Add(time.Duration(a.days-days) * dayHours)
	}
	a.days = days
	if next.Before(oldest) {
		next = oldest
	}
	if next.After(want) {
		next = want
	}
	a.limit = next
	return want.Sub(next)
}

// trimAged trims the log to its bounds.
func (b Book) trimAged(ctx context.Context, a *age, now time.Time) error {
	if b.KeepDays == nil || b.KeepDays() <= 0 {
		return b.Trim(ctx, time.Time{})
	}
	var oldest time.Time
	if err := b.Store.View(func(tx Tx) (err error) { oldest, err = tx.OldestEventAt(); return err }); err != nil {
		return err
	}
	behind := a.follow(b.now(), b.KeepDays(), oldest, now)
	if far := behind > ageFar; far != a.told {
		if a.told = far; far {
			b.Ledger.log.Warn("many events are older than events.keep_days; a day of them is deleted in an hour. If the clock is wrong, set it", message.LogAged, "oldest", oldest, "clock", b.now())
		}
	}
	return b.Trim(ctx, a.limit)
}
