package store

import (
	"context"
	"errors"

	bolt "go.etcd.io/bbolt"

	"bty/internal/fault"
)

const (
	queueLength = 1024 // callers that may wait for a commit
	batchLength = 512  // updates in one commit, which bounds how long its callers wait
)

// request is one Update that waits for its commit.
type request struct {
	fn   func(*Tx) error
	err  error
	done chan struct{}
}

// Update runs fn and returns once its writes are on disk. Updates run one after the other and
// several share a commit. If fn fails, none of its writes happen. fn may run more than once.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	r := &request{fn: fn, done: make(chan struct{})}
	select {
	case s.queue <- r:
	case <-s.stop:
		return errStopped()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-r.done: // not ctx: what is queued will be committed, and the caller must know
		return r.err
	case <-s.done:
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

func (s *Store) gather(first *request) []*request {
	batch := []*request{first}
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

// errSpoiled ends a transaction in which an update failed after it had written.
var errSpoiled = errors.New("an update of the batch failed after it had written")

// commit runs a batch in one transaction. An update that fails before it wrote anything leaves
// the others untouched; one that fails later has the batch begun again without it.
func (s *Store) commit(batch []*request) {
	for {
		spoiler := -1
		err := s.db.Update(func(tx *bolt.Tx) error {
			for i, r := range batch {
				if wrote := r.run(tx); wrote && r.err != nil {
					spoiler = i
					return errSpoiled
				}
			}
			return nil
		})
		if spoiler >= 0 {
			close(batch[spoiler].done)
			batch = append(batch[:spoiler:spoiler], batch[spoiler+1:]...)
			continue
		}
		s.commits.Add(1)
		for _, r := range batch {
			if err != nil && r.err == nil {
				r.err = asFault(err)
			}
			close(r.done)
		}
		return
	}
}

func (r *request) run(tx *bolt.Tx) (wrote bool) {
	t := &Tx{tx: tx}
	r.err = asFault(r.fn(t))
	return t.wrote
}
