package fill

import (
	"context"
	"errors"
	"io/fs"
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
	for ctx.Err() == nil {
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
	return c.close()
}

// refuse ends what has not begun, and begins no more.
func (c *Cache) refuse() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	for _, f := range c.queue {
		c.settle(f, ErrStopping)
	}
	c.queue = nil
}

func (c *Cache) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.store == nil {
		return nil
	}
	return c.store.Close()
}

// tend writes what was counted, and tries a folder again that could not be used.
func (c *Cache) tend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open() != nil {
		return // Status tells
	}
	c.forget()
	if err := c.store.Flush(); err != nil {
		c.refused = err
		if errors.Is(err, fs.ErrNotExist) {
			c.store = nil // somebody took the folder away; the next request makes it again
		}
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
		if errors.Is(err, fs.ErrNotExist) {
			c.store = nil // somebody took the folder away; the next request makes it again
		}
	}
}
