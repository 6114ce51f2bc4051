package fill

import (
	"slices"
	"time"

	"bty/internal/wire"
)

// maxMisses bounds how many sources are remembered that were not there.
const maxMisses = 200

// miss is a source that was asked for and not given at once.
type miss struct {
	reason string
	count  int64
	last   time.Time
}

// misses remembers the latest.
type misses struct{ at map[string]*miss }

func (m *misses) add(src, reason string, now time.Time) {
	if len(src) > maxSource {
		src = src[:maxSource]
	}
	known := m.at[src]
	if known == nil {
		if len(m.at) >= maxMisses {
			m.dropOldest()
		}
		known = &miss{}
		m.at[src] = known
	}
	known.reason, known.last = reason, now
	known.count++
}

// explain says more of a source that was counted a moment ago.
func (m *misses) explain(src, reason string) {
	if known := m.at[src[:min(len(src), maxSource)]]; known != nil {
		known.reason = reason
	}
}

// maxSource bounds what is kept of an address that anybody may send.
const maxSource = 2048

func (m *misses) dropOldest() {
	var oldest string
	for src, it := range m.at {
		if oldest == "" || it.last.Before(m.at[oldest].last) {
			oldest = src
		}
	}
	delete(m.at, oldest)
}

func (m *misses) list() []wire.CacheMiss {
	all := []wire.CacheMiss{}
	for src, it := range m.at {
		all = append(all, wire.CacheMiss{Src: src, Reason: it.reason, Count: it.count, LastAt: wire.IsoTime(it.last)})
	}
	slices.SortFunc(all, func(a, b wire.CacheMiss) int { return time.Time(b.LastAt).Compare(time.Time(a.LastAt)) })
	return all
}

// Explained says why the source that was not there, and is counted, was not given.
func (c *Cache) Explained(src, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.misses.explain(src, reason)
}

// Refused records a source that the caller did not give, and why.
func (c *Cache) Refused(src, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.misses.add(src, reason, c.cfg.Now())
}
