package tftp

import (
	"log/slog"
	"sync"
	"time"
)

// limiter logs refusals: anyone who can reach the port can cause one, so a flood of them becomes
// a few lines with a count.
type limiter struct {
	out    *slog.Logger
	mu     sync.Mutex
	since  time.Time
	lines  int
	hidden int
}

const (
	limitWindow = 10 * time.Second
	limitLines  = 20
)

func newLimiter(log *slog.Logger) *limiter { return &limiter{out: log} }

func (l *limiter) log(msg string, args ...any) {
	show, hidden := l.admit(time.Now())
	if hidden > 0 {
		l.out.Warn("more refusals were not logged one by one", "count", hidden)
	}
	if show {
		l.out.Warn(msg, args...)
	}
}

// admit reports whether one more line may be written now, and how many were not since the last
// window.
func (l *limiter) admit(now time.Time) (show bool, hidden int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.since) >= limitWindow {
		hidden = l.hidden
		l.since, l.lines, l.hidden = now, 0, 0
	}
	if l.lines < limitLines {
		l.lines++
		return true, hidden
	}
	l.hidden++
	return false, hidden
}
