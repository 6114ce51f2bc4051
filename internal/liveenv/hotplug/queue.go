package hotplug

import (
	"context"
	"sync"
	"time"
)

// queue holds the modules to load in two lanes. The second is served when the first is empty
// and its gate is open.
type queue struct {
	mu       sync.Mutex
	first    []string
	second   []string
	open     bool
	known    map[string]bool // every module ever queued: each is loaded once
	busy     map[string]bool
	activity time.Time     // the last sign of life: a device, a module
	changed  chan struct{} // closed and replaced at each change
}

// scan stands among the modules for the first look at all devices, so that nothing counts as
// finished before it.
const scan = "(looking for devices)"

func newQueue() *queue {
	return &queue{known: map[string]bool{}, busy: map[string]bool{scan: true}, activity: time.Now(), changed: make(chan struct{})}
}

// touch must be called with mu held.
func (q *queue) touch() {
	q.activity = time.Now()
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *queue) add(module string, wait bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.known[module] {
		return
	}
	q.known[module] = true
	if wait {
		q.second = append(q.second, module)
	} else {
		q.first = append(q.first, module)
	}
	q.touch()
}

// note records that something happened.
func (q *queue) note() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.touch()
}

func (q *queue) openGate() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.open {
		q.open = true
		q.touch()
	}
}

// take returns the next module. overtaken says that it is of the first lane, but modules of the
// second are being loaded already.
func (q *queue) take(ctx context.Context) (module string, overtaken bool, err error) {
	for {
		module, overtaken, changed := q.tryTake()
		if module != "" {
			return module, overtaken, nil
		}
		select {
		case <-ctx.Done():
			return "", false, ctx.Err()
		case <-changed:
		}
	}
}

func (q *queue) tryTake() (string, bool, <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var module string
	overtaken := false
	switch {
	case len(q.first) > 0:
		module, q.first = q.first[0], q.first[1:]
		overtaken = q.open
	case len(q.second) > 0 && q.open:
		module, q.second = q.second[0], q.second[1:]
	default:
		return "", false, q.changed
	}
	q.busy[module] = true
	return module, overtaken, nil
}

func (q *queue) done(module string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.busy, module)
	q.touch()
}

// state says what is left to do and since when nothing has happened.
func (q *queue) state() (left []string, since time.Time, changed <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	left = append(append(left, q.first...), q.second...)
	for m := range q.busy {
		left = append(left, m)
	}
	return left, q.activity, q.changed
}
