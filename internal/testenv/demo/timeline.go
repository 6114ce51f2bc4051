package main

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// entry is one thing that happened.
type entry struct {
	at    time.Time
	label string
	text  string
	bar   bool // of a progress bar: it replaces the one before
}

// timeline puts what several observers saw into the order in which it happened.
type timeline struct {
	out   *screen
	start time.Time

	mu      sync.Mutex
	waiting []entry
}

// patience is how late an observer may be.
const patience = 400 * time.Millisecond

func newTimeline(out *screen, start time.Time) *timeline { return &timeline{out: out, start: start} }

// add takes what happened since the start; observers also tell what was before.
func (t *timeline) add(e entry) {
	if e.at.Before(t.start) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = append(t.waiting, e)
}

// show prints entries once nobody can come with an earlier one, until ctx ends.
func (t *timeline) show(ctx context.Context) {
	tick := time.NewTicker(patience / 4)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			t.print(now.Add(-patience))
		case <-ctx.Done():
			t.print(time.Now())
			return
		}
	}
}

func (t *timeline) print(until time.Time) {
	t.mu.Lock()
	slices.SortStableFunc(t.waiting, func(a, b entry) int { return a.at.Compare(b.at) })
	ready, _ := slices.BinarySearchFunc(t.waiting, until, func(e entry, until time.Time) int { return e.at.Compare(until) })
	now := slices.Clone(t.waiting[:ready])
	t.waiting = slices.Delete(t.waiting, 0, ready)
	t.mu.Unlock()
	for _, e := range now {
		t.out.entry(e.at.Sub(t.start), e)
	}
}

// settle waits until observers have told the last of it.
func (t *timeline) settle(ctx context.Context) {
	select {
	case <-time.After(2 * patience):
	case <-ctx.Done():
	}
}

// bar draws a fraction.
func bar(done, total int64) string {
	const width = 30
	filled := 0
	if total > 0 {
		filled = int(min(done, total) * width / total)
	}
	return strings.Repeat("█", filled) + strings.Repeat("░", width-filled)
}
