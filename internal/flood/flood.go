// Package flood keeps what strangers can cause from filling the journal. The first line about a
// thing is written at once; what is like it and follows within a minute becomes one line with a
// count.
package flood

import (
	"context"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	// Every is how often what was held back is counted out.
	Every = time.Minute
	// MaxKinds bounds how many kinds of line are told apart at one time, and with that the lines of
	// a minute: at most one when a kind is new, one that counts it, and one for the rest.
	MaxKinds = 32
)

// More is the attribute that counts: how many lines like this one were held back since the last.
const More = "more"

// Log writes lines that anybody who can reach a port can cause. It is safe for concurrent use.
type Log struct {
	out  *slog.Logger
	rest slog.Attr // the class of the line that counts the rest

	mu    sync.Mutex
	kinds map[kind]*tally
	more  int           // of kinds that were one too many
	wake  chan struct{} // there is something to count
}

// kind is what lines have in common that are counted together.
type kind struct {
	msg  string
	from netip.Prefix
}

// tally is the newest line that was held back, and how many there were.
type tally struct {
	last slog.Record
	more int
}

// New returns a Log that writes through out. Its counts are written while Run runs; rest are
// attributes of the line that counts what could not be told apart.
func New(out *slog.Logger, rest slog.Attr) *Log {
	return &Log{out: out, rest: rest, kinds: map[kind]*tally{}, wake: make(chan struct{}, 1)}
}

// Log writes a line about what came from an address, or counts it. Lines with the same message from
// the same machine are alike; the zero Addr is a machine too.
func (l *Log) Log(level slog.Level, from netip.Addr, msg string, args ...any) {
	l.write(level, from, msg, args)
}

// Warn is Log for what an operator should see.
func (l *Log) Warn(from netip.Addr, msg string, args ...any) {
	l.write(slog.LevelWarn, from, msg, args)
}

// Info is Log for what nobody has to act on.
func (l *Log) Info(from netip.Addr, msg string, args ...any) {
	l.write(slog.LevelInfo, from, msg, args)
}

// Error is Log for what went wrong here.
func (l *Log) Error(from netip.Addr, msg string, args ...any) {
	l.write(slog.LevelError, from, msg, args)
}

func (l *Log) write(level slog.Level, from netip.Addr, msg string, args []any) {
	if !l.out.Enabled(context.Background(), level) {
		return
	}
	var caller [1]uintptr
	runtime.Callers(3, caller[:]) // this function and the one for the level are left out
	r := slog.NewRecord(time.Now(), level, msg, caller[0])
	r.Add(args...)
	if l.admit(kind{msg, network(from)}, r) {
		l.handle(r)
	}
}

func (l *Log) handle(r slog.Record) { _ = l.out.Handler().Handle(context.Background(), r) }

// admit reports whether r is the first of its kind; else it is counted.
func (l *Log) admit(k kind, r slog.Record) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.kinds[k]
	switch {
	case known != nil:
		known.last = r
		known.more++
		return false
	case len(l.kinds) >= MaxKinds:
		l.more++
		return false
	}
	l.kinds[k] = &tally{}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return true
}

// Run writes the counts until ctx ends, and then what is left of them. It sleeps while there is
// nothing to count.
func (l *Log) Run(ctx context.Context) error {
	defer l.flush()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
		}
		for busy := true; busy; {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(Every):
			}
			busy = l.flush()
		}
	}
}

// flush writes what was counted. A kind of which nothing more came is new when it comes again.
// It reports whether any is left.
func (l *Log) flush() (busy bool) {
	l.mu.Lock()
	var due []slog.Record
	for k, t := range l.kinds {
		if t.more == 0 {
			delete(l.kinds, k)
			continue
		}
		t.last.Add(More, t.more)
		due = append(due, t.last)
		*t = tally{}
	}
	more := l.more
	l.more, busy = 0, len(l.kinds) > 0
	l.mu.Unlock()
	slices.SortFunc(due, func(a, b slog.Record) int { return a.Time.Compare(b.Time) })
	for _, r := range due {
		l.handle(r)
	}
	if more > 0 {
		l.out.Warn("a flood: more lines were held back than could be told apart", l.rest, More, more)
	}
	return busy
}

// network is what one machine can choose its address from: on IPv6 its /64.
func network(from netip.Addr) netip.Prefix {
	from = from.Unmap().WithZone("")
	bits := 32
	if from.Is6() {
		bits = 64
	}
	p, _ := from.Prefix(bits) // the zero Addr has the zero Prefix
	return p
}
