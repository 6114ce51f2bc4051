package fill

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// tendEvery is how often Run looks at what nobody asks for.
const tendEvery = 30 * time.Second

// Run fetches what is wanted until ctx ends. Fetches that are under way then are kept as they
// are, and go on in the next process.
func (c *Cache) Run(ctx context.Context) error {
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	wg.Go(func() { c.recheck(work) })
	wg.Go(func() { c.reprove(work) })
	wg.Go(func() { _ = c.fail.Run(work) }) // it has no error
	c.tend()
	for ctx.Err() == nil {
		c.empty()
		c.launch(work, wg.Go)
		select {
		case <-ctx.Done():
		case <-c.wake:
		case <-tick.C:
			c.tend()
		}
	}
	c.refuse()
	stop(ErrStopping)
	wg.Wait()
	c.empty()
	return c.close()
}

// refuse ends what has not begun, and begins no more.
func (c *Cache) refuse() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.settleAll(ErrStopping)
}

func (c *Cache) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.store == nil {
		return nil
	}
	return c.store.Close()
}

// tend writes what was counted, evicts what is too much, and tries a folder again that could not be used. One that
// has another in its place, since its file system was mounted late or once more, is taken up as it is now.
func (c *Cache) tend() {
	c.mu.Lock()
	c.leave()
	if c.open() != nil {
		c.mu.Unlock()
		return // Status tells
	}
	c.forget()
	c.retry()
	store := c.store
	c.mu.Unlock()
	if err := errors.Join(store.Shrink(), store.Flush()); err != nil {
		c.noteFolder(fmt.Errorf("%w: %w", ErrFolder, err))
	}
}

// noteFolder remembers whether the folder took what was written.
func (c *Cache) noteFolder(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.refused = nil
	case errors.Is(err, ErrFolder):
		c.refused = err
		c.leave()
	}
}

// leave gives up a folder that somebody has taken away. The next request makes it again, once the
// fetches into the old one have ended.
func (c *Cache) leave() {
	if c.store == nil || c.store.Exists() {
		return
	}
	for _, f := range c.fills {
		switch {
		case f.ended, f.cancel == nil:
			f.part = nil
		default:
			f.cancel(fmt.Errorf("%w: it was removed", ErrFolder))
		}
	}
	_ = c.store.Close() // there is nothing to keep
	c.store = nil
}
