package backup

import (
	"time"

	"bty/internal/settings"
)

// every is the time from one backup of the schedule to the next; 0 if there is no schedule.
func every(s settings.Backup) time.Duration {
	if !s.Enabled {
		return 0
	}
	switch s.Cadence {
	case settings.Daily:
		return 24 * time.Hour
	case settings.Weekly:
		return 7 * 24 * time.Hour
	case settings.Manual:
	}
	return 0
}

// nextAt is when the schedule wants its next backup. A clock that went back does not stop it.
func nextAt(s settings.Backup, now time.Time) time.Time {
	if s.LastRun.IsZero() || s.LastRun.After(now.Add(time.Hour)) {
		return now
	}
	return s.LastRun.Add(every(s))
}

const (
	firstRetry = time.Minute
	lastRetry  = 6 * time.Hour
)

// trouble is how often in a row the schedule failed, and why. It is forgotten at a success.
type trouble struct {
	failures int
	last     time.Time
	reason   string
}

// retryAt is when it is tried again: after a minute, and then twice as long each time.
func (t trouble) retryAt() time.Time {
	wait := lastRetry
	if t.failures < 10 { // 2^9 minutes is beyond the longest wait
		wait = min(firstRetry<<max(t.failures-1, 0), lastRetry)
	}
	return t.last.Add(wait)
}

// Outlook is what the schedule will do, for people and timers.
type Outlook struct {
	settings.Backup
	On       bool // backups are made without being asked for
	Due      bool
	NextAt   time.Time // zero if the schedule is off
	Failures int       // in a row
	Reason   string    // of the last failure
}

func look(s settings.Backup, t trouble, now time.Time) Outlook {
	o := Outlook{Backup: s, On: every(s) > 0, Failures: t.failures, Reason: t.reason}
	if !o.On {
		return o
	}
	o.NextAt = nextAt(s, now)
	if t.failures > 0 && t.retryAt().After(o.NextAt) {
		o.NextAt = t.retryAt()
	}
	o.Due = !o.NextAt.After(now)
	return o
}
