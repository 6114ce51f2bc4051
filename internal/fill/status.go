package fill

import (
	"cmp"
	"slices"
	"time"

	"bty/internal/blob"
	"bty/internal/wire"
)

// Status is what the cache holds and does. Version is the daemon's to fill in.
func (c *Cache) Status() wire.CacheStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := wire.CacheStatus{LimitBytes: c.cfg.Limit, FloorBytes: c.cfg.Floor,
		Blobs: []wire.CacheBlob{}, Fills: []wire.CacheFill{}, Streams: []wire.CacheStream{}, Misses: c.misses.list()}
	err := c.open()
	if err == nil {
		var u blob.Usage
		if u, err = c.store.Usage(); err == nil {
			s.HeldBytes, s.FreeBytes = u.Held, u.Free
		}
		for _, b := range c.store.List() {
			s.Blobs = append(s.Blobs, shownBlob(b))
		}
	}
	if err = cmp.Or(err, c.refused); err != nil {
		s.Problem = err.Error()
	}
	now := time.Now()
	for _, f := range c.fills {
		s.Fills = append(s.Fills, f.show(now))
	}
	slices.SortFunc(s.Fills, func(a, b wire.CacheFill) int { return time.Time(b.StartedAt).Compare(time.Time(a.StartedAt)) })
	for h := range c.handles {
		s.Streams = append(s.Streams, wire.CacheStream{Src: h.src, Remote: h.remote, Offset: h.offset.Load(), Sent: h.sent.Load(), StartedAt: wire.IsoTime(h.began)})
	}
	slices.SortFunc(s.Streams, func(a, b wire.CacheStream) int { return time.Time(a.StartedAt).Compare(time.Time(b.StartedAt)) })
	return s
}

func shownBlob(b blob.Info) wire.CacheBlob {
	w := wire.CacheBlob{SHA256: b.Digest.String(), SizeBytes: b.Size, Sources: []string{}, Pinned: b.Pinned, Reads: b.Reads, SentBytes: b.Sent,
		FetchedAt: wire.IsoTime(b.FetchedAt), UsedAt: wire.IsoTime(b.UsedAt)}
	for _, src := range b.Sources {
		w.Sources = append(w.Sources, src.Src)
		w.Moved = w.Moved || src.Moved
	}
	if b.Former != nil {
		w.Sources, w.Moved = append(w.Sources, b.Former.Src), true
	}
	return w
}

// show is one fetch for people. The caller holds the cache's lock.
func (f *fill) show(now time.Time) wire.CacheFill {
	p := &f.progress
	p.mu.Lock()
	defer p.mu.Unlock()
	w := wire.CacheFill{Src: f.src.Src, Status: f.status, BytesDone: p.written, Readers: len(f.readers), Attempts: f.attempts, StartedAt: wire.IsoTime(f.began)}
	if !f.id.digest.IsZero() {
		w.SHA256 = f.id.digest.String()
	}
	if p.total >= 0 {
		total := p.total
		w.BytesTotal = &total
	}
	if f.status == wire.CacheFillRunning {
		w.Rate = p.rate(now)
	}
	if !f.next.IsZero() {
		next := wire.IsoTime(f.next)
		w.NextAt = &next
	}
	if f.last != nil {
		w.Error = f.last.Error()
	}
	return w
}
