package fill

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bty/internal/message"
	"bty/internal/origin"
)

const (
	maxWaiting = 256 // fetches that wait for a place
	maxOvers   = 3   // how often a fetch begins anew because the origin changed the image under it
	// A fetch that failed is not begun again at once, whoever asks: a rack of machines that try
	// again would be an attack on the origin.
	firstAgain = 2 * time.Second
	maxAgain   = time.Minute
)

// want returns the fetch that a source needs, a new one if there is none. The caller holds mu.
func (c *Cache) want(key string, src Source) (*fill, error) {
	if f := c.underWay(key, src); f != nil {
		return f, nil
	}
	old := c.fills[id{key, src.Digest}]
	if old != nil && c.cfg.Now().Before(old.again) {
		return nil, fmt.Errorf("%w (it is tried again from %s on)", old.failure(), old.again.Format(time.TimeOnly))
	}
	if c.stopped {
		return nil, ErrStopping
	}
	if len(c.queue) >= maxWaiting {
		return nil, fmt.Errorf("%w: %d", ErrBusy, len(c.queue))
	}
	f := c.newFill(key, src)
	if old != nil {
		f.part, f.fails = old.part, old.fails
		old.part = nil
	}
	c.enqueue(f)
	return f, nil
}

// underWay is a fetch under way that brings the same bytes, by whatever address.
func (c *Cache) underWay(key string, src Source) *fill {
	if f := c.fills[id{key, src.Digest}]; f != nil && !f.ended {
		return f
	}
	if src.Digest.IsZero() {
		return nil
	}
	for _, f := range c.fills {
		if f.id.digest == src.Digest && !f.ended {
			return f
		}
	}
	return nil
}

func (c *Cache) enqueue(f *fill) {
	c.fills[f.id] = f
	c.queue = append(c.queue, f)
	nudge(c.wake)
}

// next takes the fetch out of the queue that somebody waits for, else the oldest. The caller
// holds mu.
func (c *Cache) next() *fill {
	if c.running >= c.cfg.Fills || len(c.queue) == 0 {
		return nil
	}
	i := max(slices.IndexFunc(c.queue, func(f *fill) bool { return len(f.readers) > 0 }), 0)
	f := c.queue[i]
	c.queue = slices.Delete(c.queue, i, i+1)
	c.running++
	return f
}

// takeUp goes on with what an earlier process began. The caller holds mu.
func (c *Cache) takeUp() {
	for _, p := range c.store.Partials() {
		n := p.Note()
		src := Source{Src: n.Src, Digest: n.Declared, Size: n.Size, Rolling: n.Rolling}
		at := id{n.Key, n.Declared}
		if c.cfg.Now().Sub(n.At) > c.cfg.Stale || c.fills[at] != nil || len(c.queue) >= maxWaiting || !c.cfg.Wanted(src) {
			c.cfg.Log.Info("a partial image is no longer wanted and removed", "url", origin.Redact(n.Src), "bytes", n.Bytes)
			if err := p.Discard(); err != nil {
				c.cfg.Log.Warn("a partial image could not be removed", message.CacheUnwritten, "err", err)
			}
			continue
		}
		f := c.newFill(n.Key, src)
		f.part = p
		c.enqueue(f)
	}
}

// end records how a fetch ended and tells its readers.
func (c *Cache) end(f *fill, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	c.settle(f, err)
	nudge(c.wake)
}

// settle is end for a fetch that may not have run. The caller holds mu.
func (c *Cache) settle(f *fill, err error) {
	f.ended = true
	if err == nil {
		delete(c.fills, f.id)
		c.cfg.Log.Info("an image was fetched into the cache", message.ImageCached, "url", origin.Redact(f.src.Src), "bytes", f.progress.written, "blob", f.digest, "dur", c.cfg.Now().Sub(f.began))
		for h := range f.readers {
			h.lease = f.store.Join(f.digest)
		}
		f.closeUnused()
		return
	}
	f.fail(err)
	f.closeUnused()
	c.keepOrDiscard(f, err)
	c.forget()
}

// forget drops the failed fetches that are one too many to remember, the oldest first.
func (c *Cache) forget() {
	var failed []*fill
	for _, f := range c.fills {
		if f.ended {
			failed = append(failed, f)
		}
	}
	slices.SortFunc(failed, func(a, b *fill) int { return a.endedAt.Compare(b.endedAt) })
	for i, f := range failed {
		age := c.cfg.Now().Sub(f.endedAt)
		if len(failed)-i > maxFailed || age > c.cfg.Stale || age > failedKept && f.part == nil {
			delete(c.fills, f.id)
			discard(c, f)
		}
	}
}

const (
	maxFailed  = 100
	failedKept = 24 * time.Hour
)

// dropFailed removes the bytes of all failed fetches, and reports whether there were any.
func (c *Cache) dropFailed() (any bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.fills {
		if f.ended && f.part != nil {
			any = true
			discard(c, f)
		}
	}
	return any
}

func discard(c *Cache, f *fill) {
	if f.part == nil {
		return
	}
	if err := f.part.Discard(); err != nil {
		c.cfg.Log.Warn("a partial image could not be removed", message.CacheUnwritten, "err", err)
	}
	f.part = nil
}

// launch starts fetches until all places are taken.
func (c *Cache) launch(ctx context.Context, start func(func())) {
	for {
		c.mu.Lock()
		f := c.next()
		if f == nil {
			c.mu.Unlock()
			return
		}
		work, cancel := context.WithCancelCause(ctx)
		f.cancel = cancel
		err := c.open()
		f.store = c.store
		c.mu.Unlock()
		start(func() {
			defer cancel(nil)
			if err == nil {
				err = f.run(work)
			}
			c.end(f, err)
		})
	}
}
