// Package sniff watches DHCP on the LAN and never takes part in it: one packet socket that a
// privileged helper opened, with a locked filter, read by a process without any right.
package sniff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"bty/internal/message"
)

const (
	// pace is how long the loop rests when packets come thick: they are read together then, and the
	// processor is not woken for each. A machine alone is not kept waiting.
	pace  = 20 * time.Millisecond
	thick = 16   // packets found at one time
	most  = 4096 // read at one time; then the rest of the loop has its turn
	// summaryEvery is how often what went wrong is logged.
	summaryEvery = time.Minute
)

// Watcher reads a socket and tells what it saw.
type Watcher struct {
	Socket *Socket
	Links  Patterns
	Log    *slog.Logger
	// Saw takes each message; it must be quick.
	Saw func(Seen)

	counts counts
	beat   heartbeat
}

// counts are of the whole run.
type counts struct {
	requests, answers, copies, foreign, malformed, dropped atomic.Uint64
}

// Run reads until ctx is done.
func (w *Watcher) Run(ctx context.Context) error {
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(woken); w.wake() })
	defer func() {
		if !stop() { // the socket may be closed once this returns
			<-woken
		}
	}()
	m := &memory{links: &links{patterns: w.Links, ask: w.Socket.link, byIndex: map[int]link{}},
		repeats: newCopies[uint64](repeatWindow), copies: newCopies[identity](copyWindow)}
	summary := summary{log: w.Log}
	for ctx.Err() == nil {
		n, rang, err := w.Socket.read(most, func(c captured, at time.Time) { w.take(c, m, at) })
		if err != nil {
			return err
		}
		if rang {
			w.beat.answer()
		}
		w.count()
		summary.write(&w.counts, time.Now())
		runtime.Gosched() // who reports what was seen has its turn before the loop waits in the kernel
		if n > thick {
			select {
			case <-ctx.Done():
			case <-time.After(pace):
			}
		}
	}
	return nil
}

// memory is what the loop remembers from packet to packet.
type memory struct {
	links   *links
	reader  reader
	repeats *copies[uint64]
	copies  *copies[identity]
}

func (w *Watcher) take(c captured, m *memory, now time.Time) {
	on := m.links.at(c.link, now)
	if !on.chosen {
		return
	}
	d, err := readFrame(c.frame, c.linkType, c.vlan)
	if err == nil && m.repeats.seen(words(d.payload), now) {
		w.counts.copies.Add(1)
		return
	}
	var seen Seen
	if err == nil {
		seen, err = m.reader.read(d, place{now.UTC(), on.name})
	}
	switch {
	case errors.Is(err, errMalformed):
		w.counts.malformed.Add(1)
	case err != nil:
		w.counts.foreign.Add(1)
	case c.outgoing && seen.Request != nil && bytes.Equal(on.mac, seen.id.mac[:]): // this host's own client
		w.counts.foreign.Add(1)
	case m.copies.seen(seen.id, now):
		w.counts.copies.Add(1)
	default:
		if seen.Request != nil {
			w.counts.requests.Add(1)
		} else {
			w.counts.answers.Add(1)
		}
		w.Saw(seen)
	}
}

// count asks the kernel what it threw away.
func (w *Watcher) count() {
	if n, err := w.Socket.drops(); err == nil {
		w.counts.dropped.Add(uint64(n))
	}
}

// Status is the line for people.
func (w *Watcher) Status() string {
	c := &w.counts
	text := fmt.Sprintf("DHCP: %d requests, %d answers seen", c.requests.Load(), c.answers.Load())
	for _, more := range []struct {
		n    uint64
		what string
	}{{c.malformed.Load(), "malformed"}, {c.dropped.Load(), "lost by the kernel"}} {
		if more.n > 0 {
			text += fmt.Sprintf(", %d %s", more.n, more.what)
		}
	}
	return text
}

// Check proves that the loop turns: it is woken and must answer.
func (w *Watcher) Check(ctx context.Context) error {
	answered := w.beat.ask()
	w.wake()
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return errors.New("the loop that reads packets does not answer")
	}
}

func (w *Watcher) wake() {
	_ = w.Socket.ring() // a bell that cannot be rung fails the watchdog's check
}

// heartbeat is a question that a loop answers.
type heartbeat struct {
	mu      sync.Mutex
	waiting []chan struct{}
}

func (h *heartbeat) ask() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	ch := make(chan struct{})
	h.waiting = append(h.waiting, ch)
	return ch
}

func (h *heartbeat) answer() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ch := range h.waiting {
		close(ch)
	}
	h.waiting = nil
}

// summary logs what went wrong, once a minute at most.
type summary struct {
	log                *slog.Logger
	next               time.Time
	malformed, dropped uint64
}

func (s *summary) write(c *counts, now time.Time) {
	malformed, dropped := c.malformed.Load(), c.dropped.Load()
	if now.Before(s.next) || malformed == s.malformed && dropped == s.dropped {
		return
	}
	if n := dropped - s.dropped; n > 0 {
		s.log.Warn("the kernel lost packets: they came faster than they were read", message.PacketsLost, "packets", n)
	}
	if n := malformed - s.malformed; n > 0 {
		s.log.Info("packets on DHCP's ports could not be read", message.DHCPMalformed, "packets", n)
	}
	s.malformed, s.dropped, s.next = malformed, dropped, now.Add(summaryEvery)
}
