package job

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"bty/internal/fault"
)

const (
	maxPending   = 256         // jobs that may wait or work at one time
	defaultKept  = 100         // ended jobs that are still shown
	announceWait = time.Second // between two announcements of one job's progress
)

// Config is what a Pool is made of.
type Config[T any] struct {
	Name    string // of one job, for messages: "backup"
	Workers int    // jobs at work at one time; less than 1 is 1
	Kept    int    // ended jobs that are still listed; 0 is 100
	Now     func() time.Time
	Log     *slog.Logger
	// Do is the work. When ctx ends, its cause says why (ErrCancelled, ErrStopping). What Do has
	// finished in spite of that counts as completed.
	Do func(ctx context.Context, j *Job[T]) error
	// Changed is told each change of status and, at most once a second and job, progress. It is
	// called from any goroutine and must not wait. Nil tells nobody.
	Changed func(State[T])
}

// Pool is the queue and its workers. It is safe for concurrent use.
type Pool[T any] struct {
	Config[T]
	mu      sync.Mutex
	jobs    []*entry[T]   // in the order in which they were queued
	wake    chan struct{} // a token per job that was queued
	started bool
	stopped bool
}

// New returns a Pool that works once Run runs.
func New[T any](c Config[T]) *Pool[T] {
	c.Workers, c.Kept = max(c.Workers, 1), max(c.Kept, 0)
	if c.Kept == 0 {
		c.Kept = defaultKept
	}
	return &Pool[T]{Config: c, wake: make(chan struct{}, maxPending)}
}

// Enqueue adds a job. If one with this key waits or works, that one is returned and added is false.
func (p *Pool[T]) Enqueue(key string, detail T) (state State[T], added bool, err error) {
	return p.EnqueueRecorded(key, detail, func() error { return nil })
}

// EnqueueRecorded is Enqueue of a job that is to be on record before it begins. The job has its place already
// while record runs, so that there is neither a record without a job nor a job without one; if record fails
// there is none. It is not called for a job that is not added.
func (p *Pool[T]) EnqueueRecorded(key string, detail T, record func() error) (state State[T], added bool, err error) {
	e, known, err := p.hold(key, detail)
	if e == nil {
		return known, false, err
	}
	err = record()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.forget(e, err)
		return State[T]{}, false, err
	}
	e.held = false
	select {
	case p.wake <- struct{}{}:
	default: // as many tokens as jobs may wait: some are of jobs that were cancelled
	}
	return e.State, true, nil
}

// hold gives a job its place, where it waits for nothing but its record. It returns none, but what is known
// of it, if there is one with this key.
func (p *Pool[T]) hold(key string, detail T) (*entry[T], State[T], error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.find(key); known != nil && !known.Status.Ended() && !p.stopped {
		return nil, known.State, nil
	}
	if err := p.refusal(); err != nil {
		return nil, State[T]{}, err
	}
	p.jobs = slices.DeleteFunc(p.jobs, func(e *entry[T]) bool { return e.Key == key })
	e := &entry[T]{State: State[T]{Key: key, Status: Queued, QueuedAt: p.Now(), Detail: detail}, held: true, changed: make(chan struct{})}
	p.jobs = append(p.jobs, e)
	return e, e.State, nil
}

// forget takes a job that was never recorded away again. Who waits for it is told why.
func (p *Pool[T]) forget(e *entry[T], err error) {
	if !e.Status.Ended() {
		p.end(e, Failed, err)
	}
	p.jobs = slices.DeleteFunc(p.jobs, func(other *entry[T]) bool { return other == e })
}

// refusal needs p.mu.
func (p *Pool[T]) refusal() error {
	switch {
	case p.stopped:
		return fault.New(fault.Unavailable, "bty-web is stopping; try again in a moment")
	case p.pending() >= maxPending:
		return fault.New(fault.Unavailable, "%d jobs (%s) are waiting already; wait until some have ended, or cancel them", maxPending, p.Name)
	}
	return nil
}

// Cancel ends a job that waits at once, and asks one that works to end. One that has ended stays
// as it is. It reports whether there is a job with this key.
func (p *Pool[T]) Cancel(key string) (State[T], bool) {
	p.mu.Lock()
	e := p.find(key)
	if e == nil {
		p.mu.Unlock()
		return State[T]{}, false
	}
	waited := e.Status == Queued
	switch e.Status {
	case Queued:
		p.end(e, Cancelled, nil)
	case Running:
		e.Cancelling = true
		e.cancel(ErrCancelled)
	case Completed, Cancelled, Failed:
	}
	state := e.State
	p.mu.Unlock()
	if waited {
		p.tell(state)
	}
	return state, true
}

// Get returns the job with this key, and whether there is one.
func (p *Pool[T]) Get(key string) (State[T], bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.find(key); e != nil {
		return e.State, true
	}
	return State[T]{}, false
}

// List returns the jobs that wait and work and the last that have ended, oldest first.
func (p *Pool[T]) List() []State[T] {
	p.mu.Lock()
	defer p.mu.Unlock()
	states := make([]State[T], len(p.jobs))
	for i, e := range p.jobs {
		states[i] = e.State
	}
	return states
}

// Wait returns the job with this key once it has ended, or what is known of it when ctx ends.
func (p *Pool[T]) Wait(ctx context.Context, key string) (State[T], error) {
	p.mu.Lock()
	e := p.find(key)
	p.mu.Unlock()
	if e == nil {
		return State[T]{}, fault.New(fault.NotFound, "no %s with id '%s'", p.Name, key)
	}
	var err error
	select {
	case <-e.changed:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return e.State, err
}

func (p *Pool[T]) find(key string) *entry[T] {
	for _, e := range p.jobs {
		if e.Key == key {
			return e
		}
	}
	return nil
}

func (p *Pool[T]) pending() (n int) {
	for _, e := range p.jobs {
		if !e.Status.Ended() {
			n++
		}
	}
	return n
}

// end settles a job and forgets the oldest that have ended.
func (p *Pool[T]) end(e *entry[T], status Status, err error) {
	e.Status, e.Err, e.FinishedAt, e.Cancelling = status, err, p.Now(), false
	close(e.changed)
	ended := len(p.jobs) - p.pending()
	p.jobs = slices.DeleteFunc(p.jobs, func(old *entry[T]) bool {
		if ended <= p.Kept || !old.Status.Ended() {
			return false
		}
		ended--
		return true
	})
}

func (p *Pool[T]) tell(s State[T]) {
	if p.Changed != nil {
		p.Changed(s)
	}
}
