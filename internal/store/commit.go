package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"

	"bty/internal/fault"
)

const (
	queueLength = 1024 // callers that may wait for a commit
	batchLength = 512  // updates in one commit, which bounds how long its callers wait
)

// request is one Update that waits for its commit.
type request struct {
	ctx  context.Context
	fn   func(*Tx) error
	err  error
	done chan struct{}
}

// Update runs fn and returns once its writes are on disk. Updates run one after the other and
// several share a commit. If fn fails, none of its writes happen. fn may run more than once, and
// does not run at all if ctx ended while it waited: a caller that gave up is not acted for.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return s.enqueue(&request{ctx: ctx, fn: fn, done: make(chan struct{})})
}

// besideWait is how long work that nobody waits for lets others go first.
const besideWait = 5 * time.Millisecond

// UpdateBeside is Update for work that nobody waits for. It is part of the next commit that somebody does wait
// for, whose callers would otherwise have to wait for its disk writes as well; one of its own only if none
// comes.
func (s *Store) UpdateBeside(ctx context.Context, fn func(*Tx) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r := &request{ctx: ctx, fn: fn, done: make(chan struct{})}
	alone := time.NewTimer(besideWait)
	defer alone.Stop()
	select {
	case s.beside <- r:
		return s.await(r)
	case <-alone.C:
		return s.enqueue(r)
	case <-s.stop:
		return errStopped()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Store) enqueue(r *request) error {
	select {
	case s.queue <- r:
		return s.await(r)
	case <-s.stop:
		return errStopped()
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
}

// await returns what became of a request that the committer has.
func (s *Store) await(r *request) error {
	select {
	case <-r.done: // not ctx: what has begun will be committed, and the caller must know
		return s.named(r.err)
	case <-s.done:
	}
	select {
	case <-r.done: // the last commit had it
		return r.err
	default:
		return errStopped()
	}
}

func errStopped() error {
	return fault.New(fault.Unavailable, "bty-web is stopping; try again in a moment")
}

// Run commits what Update queues, until ctx ends or Close is called. One commit takes whatever
// has gathered while the last one was on its way to the disk: a lone caller waits for nobody.
func (s *Store) Run(ctx context.Context) error {
	defer close(s.done)
	for {
		select {
		case r := <-s.queue:
			s.commit(s.gather(r))
		case <-s.stop:
			s.drain()
			return nil
		case <-ctx.Done():
			s.once.Do(func() { close(s.stop) })
			s.drain()
			return nil
		}
	}
}

// gather takes along what waits, and one piece of work that lets others go first.
func (s *Store) gather(first *request) []*request {
	batch := s.gatherQueue(first)
	select {
	case r := <-s.beside:
		return append(batch, r)
	default:
		return batch
	}
}

func (s *Store) gatherQueue(first *request) []*request {
	batch := []*request{first}
	runtime.Gosched() // whoever the last commit woke comes along instead of waiting for the next one
	for len(batch) < batchLength {
		select {
		case r := <-s.queue:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

func (s *Store) drain() {
	for {
		select {
		case r := <-s.queue:
			s.commit(s.gather(r))
		default:
			return
		}
	}
}

var (
	// errSpoiled ends a transaction in which an update failed after it had written.
	errSpoiled = errors.New("an update of the batch failed after it had written")
	// errNothing ends a transaction in which nobody wrote: there is nothing to sync.
	errNothing = errors.New("no update of the batch wrote")
)

// commit runs a batch in one transaction. An update that fails before it wrote anything leaves
// the others untouched; one that fails later has the batch begun again without it.
func (s *Store) commit(batch []*request) {
	for {
		spoiler, before := -1, s.merge
		var changes []change
		err := s.db.Update(func(tx *bolt.Tx) error {
			nothing := errNothing
			for i, r := range batch {
				t := Tx{tx: tx, store: s, changes: changes}
				wrote := r.run(&t)
				changes = t.changes
				if wrote && r.err != nil {
					spoiler = i
					return errSpoiled
				}
				if wrote {
					nothing = nil
				}
			}
			if nothing == nil {
				return s.step(tx)
			}
			return nothing
		})
		s.settle(err == nil || errors.Is(err, errNothing), before)
		if spoiler >= 0 {
			close(batch[spoiler].done)
			batch = append(batch[:spoiler:spoiler], batch[spoiler+1:]...)
			continue
		}
		if err == nil {
			s.events.apply(changes)
		}
		s.finish(batch, err)
		if err == nil {
			s.fillAhead()
		}
		return
	}
}

// fillAhead makes the next commits quicker. Those of this one have their answer.
func (s *Store) fillAhead() {
	var used int64
	if err := s.db.View(func(tx *bolt.Tx) error { used = tx.Size(); return nil }); err == nil {
		s.ahead.keep(used)
	}
}

// finish tells the callers of a batch what became of its transaction.
func (s *Store) finish(batch []*request, err error) {
	switch {
	case err == nil:
		s.commits.Add(1)
	case errors.Is(err, errNothing):
		err = nil
	}
	for _, r := range batch {
		if err != nil && r.err == nil {
			r.err = asFault(err)
		}
		close(r.done)
	}
}

// run carries the update out. A use case that panics fails alone: the committer serves everybody.
func (r *request) run(t *Tx) (wrote bool) {
	defer func() {
		if p := recover(); p != nil {
			r.err, wrote = fmt.Errorf("panic in an update: %v\n%s", p, debug.Stack()), true
		}
	}()
	if r.ctx.Err() != nil {
		r.err = context.Cause(r.ctx)
		return false
	}
	r.err = asFault(r.fn(t))
	return t.wrote
}
