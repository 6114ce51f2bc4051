package fill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bty/internal/blob"
	"bty/internal/message"
	"bty/internal/origin"
)

const (
	maxWaiting = 1024 // fetches that wait for a place
	maxOvers   = 3    // how often a fetch begins anew because the origin changed the image under it
	// A fetch that failed is not begun again at once, whoever asks: a rack of machines that try
	// again would be an attack on the origin.
	firstAgain = 2 * time.Second
	maxAgain   = time.Minute
	// An origin that is away comes back some time, and the image is wanted then as well.
	firstRetry = time.Minute
	maxRetry   = 30 * time.Minute
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
	if err := c.crowded(key, src); err != nil {
		return nil, err
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

// retry begins again what has failed because its origin was away. The caller holds mu.
func (c *Cache) retry() {
	var due []*fill
	for _, f := range c.fills {
		if f.ended && !f.retry.IsZero() && !c.cfg.Now().Before(f.retry) && c.cfg.Wanted(f.src) {
			due = append(due, f)
		}
	}
	for _, f := range due {
		_, _ = c.want(f.id.key, f.src) // if too many wait, the next time
	}
}

func (c *Cache) enqueue(f *fill) {
	c.fills[f.id] = f
	c.queue = append(c.queue, f)
	nudge(c.wake)
}

// next takes the fetch out of the queue that somebody waits for, one of the catalog first, else the oldest. Guests
// leave one place to the catalog, if there are several: their origins may be slow. The caller holds mu.
func (c *Cache) next() *fill {
	if c.running-min(c.resting, maxResting*c.cfg.Fills) >= c.cfg.Fills || len(c.queue) == 0 {
		return nil
	}
	i := slices.IndexFunc(c.queue, func(f *fill) bool { return len(f.readers) > 0 && c.cfg.Listed(f.src.Src) })
	switch {
	case i >= 0:
	case c.guestsRun() < max(c.cfg.Fills-1, 1):
		i = max(slices.IndexFunc(c.queue, func(f *fill) bool { return len(f.readers) > 0 }), 0)
	default:
		i = slices.IndexFunc(c.queue, func(f *fill) bool { return c.cfg.Listed(f.src.Src) })
	}
	if i < 0 {
		return nil
	}
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
			c.trash = append(c.trash, p)
			continue
		}
		f := c.newFill(n.Key, src)
		f.part = p
		c.enqueue(f)
	}
}

// end records how a fetch ended and tells its readers.
func (c *Cache) end(ctx context.Context, f *fill, err error) {
	c.rest(f, false)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && errors.Is(context.Cause(ctx), ErrDeleted) { // too late to be noticed by the fetch
		if failed := f.store.Unbind(f.id.key); failed != nil && !errors.Is(failed, blob.ErrNotHeld) {
			c.cfg.Log.Warn("an image that was deleted is still there", message.CacheUnwritten, "err", failed)
		}
		err = ErrDeleted
	}
	c.running--
	c.settle(f, err)
	nudge(c.wake)
}

// rest counts a fetch that waits for its next attempt: another may have its place meanwhile.
func (c *Cache) rest(f *fill, rests bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case rests && !f.rests:
		c.resting++
		nudge(c.wake)
	case !rests && f.rests:
		c.resting--
	}
	f.rests = rests
}

// maxResting bounds how many fetches may wait for their next attempt without a place, in places: all
// of them may go on at the same moment.
const maxResting = 3

// settle is end for a fetch that may not have run. The caller holds mu.
func (c *Cache) settle(f *fill, err error) {
	f.ended = true
	if err == nil {
		c.totals.fetched.Add(1)
		delete(c.fills, f.id)
		c.cfg.Log.Info("an image was fetched into the cache", message.ImageCached, "url", origin.Redact(f.src.Src), "bytes", f.progress.written, "blob", f.digest, "dur", c.cfg.Now().Sub(f.began))
		f.store.Count(f.digest, f.reads, f.sent)
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

// forget drops the failed fetches that are one too many to remember, those of guests first and then the oldest:
// whoever asks for what is not there must not have the catalog's images begun anew.
func (c *Cache) forget() {
	var failed, listed []*fill
	for _, f := range c.fills {
		switch {
		case !f.ended:
		case c.cfg.Listed(f.src.Src):
			listed = append(listed, f)
		default:
			failed = append(failed, f)
		}
	}
	for _, some := range [][]*fill{failed, listed} {
		slices.SortFunc(some, func(a, b *fill) int { return a.endedAt.Compare(b.endedAt) })
	}
	failed = append(failed, listed...)
	for i, f := range failed {
		age := c.cfg.Now().Sub(f.endedAt)
		if len(failed)-i > maxFailed || age > c.cfg.Stale || age > failedKept && f.part == nil {
			delete(c.fills, f.id)
			c.discard(f)
		}
	}
}

const (
	maxFailed  = 100
	failedKept = 24 * time.Hour
)

// dropFailed removes the bytes of failed fetches, for a guest those of guests alone, and reports whether there
// were any.
func (c *Cache) dropFailed(src string) bool {
	c.mu.Lock()
	isListed := c.cfg.Listed(src)
	for _, f := range c.fills {
		if f.ended && (isListed || !c.cfg.Listed(f.src.Src)) {
			c.discard(f)
		}
	}
	any := len(c.trash) > 0
	c.mu.Unlock()
	c.empty()
	return any
}

// mayGetRoom reports whether it is worth asking once more for room for n bytes of a source. Nothing goes for
// what would not fit anyway.
func (c *Cache) mayGetRoom(ctx context.Context, store *blob.Store, src string, n int64) bool {
	if all, err := store.Room(); err != nil || n > all {
		return false
	}
	if c.dropFailed(src) {
		return true
	}
	c.mu.Lock()
	completing := false
	for _, f := range c.fills {
		completing = completing || !f.ended && f.isProven()
	}
	c.mu.Unlock()
	if !completing {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(20 * time.Millisecond):
		return true
	}
}

// discard has the bytes of a fetch deleted. The caller holds mu.
func (c *Cache) discard(f *fill) {
	if f.part != nil {
		c.trash = append(c.trash, f.part)
		f.part = nil
		nudge(c.wake)
	}
}

// empty deletes what was discarded.
func (c *Cache) empty() {
	c.mu.Lock()
	trash := c.trash
	c.trash = nil
	c.mu.Unlock()
	for _, p := range trash {
		if err := p.Discard(); err != nil {
			c.cfg.Log.Warn("a partial image could not be removed", message.CacheUnwritten, "err", err)
		}
	}
}

// launch starts fetches until all places are taken.
func (c *Cache) launch(ctx context.Context, start func(func())) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.open(); err != nil && c.running == 0 {
		c.settleAll(err)
	}
	for c.store != nil {
		f := c.next()
		if f == nil {
			return
		}
		work, cancel := context.WithCancelCause(ctx)
		f.store, f.cancel = c.store, cancel
		start(func() {
			defer cancel(nil)
			c.end(work, f, f.run(work))
		})
	}
}

// settleAll ends what has not begun. The caller holds mu.
func (c *Cache) settleAll(err error) {
	for _, f := range c.queue {
		c.settle(f, err)
	}
	c.queue = nil
}
