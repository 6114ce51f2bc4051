package fill

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"

	"bty/internal/blob"
)

// Figures are what a cache holds and does, counted.
type Figures struct {
	HeldBytes, LimitBytes, FreeBytes, FloorBytes int64

	Images, Pinned, Readers int
	Fills                   map[string]int // by status
	Problem                 string         // that keeps it from working, "" for none

	// Since the start: bytes that came from origins, and how many fetches brought an image or failed.
	FetchedBytes, Fetched, Failed int64
}

// totals count since the start.
type totals struct{ bytes, fetched, failed atomic.Int64 }

// figuresFor is how old figures may be: who asks for them a thousand times a second must not have the
// engine count as often, while readers wait for its lock.
const figuresFor = time.Second

// counted are the figures of the last look.
type counted struct {
	looking sync.Mutex
	last    atomic.Pointer[struct {
		Figures
		at time.Time
	}]
}

// Figures is what was counted within the last second.
func (c *Cache) Figures() Figures {
	if f := c.counted.last.Load(); f != nil && time.Since(f.at) < figuresFor {
		return f.Figures
	}
	if !c.counted.looking.TryLock() { // somebody counts
		if f := c.counted.last.Load(); f != nil {
			return f.Figures
		}
		c.counted.looking.Lock()
	}
	defer c.counted.looking.Unlock()
	now := struct {
		Figures
		at time.Time
	}{c.count(), time.Now()}
	c.counted.last.Store(&now)
	return now.Figures
}

func (c *Cache) count() Figures {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := Figures{LimitBytes: c.cfg.Limit, FloorBytes: c.cfg.Floor, Readers: len(c.handles), Fills: map[string]int{},
		FetchedBytes: c.totals.bytes.Load(), Fetched: c.totals.fetched.Load(), Failed: c.totals.failed.Load()}
	err := c.open()
	if err == nil {
		var u blob.Usage
		if u, err = c.store.Usage(); err == nil {
			f.HeldBytes, f.FreeBytes = u.Held, u.Free
		}
		held := c.store.Counts()
		f.Images, f.Pinned = held.Blobs, held.Pinned
	}
	if err = cmp.Or(err, c.refused); err != nil {
		f.Problem = err.Error()
	}
	for _, one := range c.fills {
		f.Fills[one.state()]++
	}
	return f
}

func (f *fill) state() string {
	f.progress.mu.Lock()
	defer f.progress.mu.Unlock()
	return f.status
}
