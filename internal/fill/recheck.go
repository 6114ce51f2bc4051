package fill

import (
	"context"
	"strings"
	"sync"
	"time"

	"bty/internal/blob"
	"bty/internal/catalog"
	"bty/internal/message"
	"bty/internal/origin"
)

// afterUse is how old the last look at a source may be when its image is used. The reader is
// served without it.
const afterUse = time.Minute

// looksAtOnce is how many origins are asked at one time: one that is away must not keep the others
// waiting.
const looksAtOnce = 8

// recheck asks origins whether they still have what is held, until ctx ends. Sources with a declared
// digest are left alone: what they are to be is not for the origin to say.
func (c *Cache) recheck(ctx context.Context) {
	tick := time.NewTicker(min(c.cfg.Recheck, tendEvery))
	defer tick.Stop()
	l := looks{places: make(chan struct{}, looksAtOnce), asked: map[string]bool{}}
	defer l.all.Wait()
	for {
		for _, d := range c.due() {
			l.begin(ctx, d.key, func() { c.compare(ctx, d) })
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-c.look:
		}
	}
}

// looks are those under way.
type looks struct {
	places chan struct{}
	all    sync.WaitGroup
	mu     sync.Mutex
	asked  map[string]bool // by the key of the source
}

// begin looks at a source once there is a place, unless somebody does already.
func (l *looks) begin(ctx context.Context, key string, look func()) {
	if !l.take(key) {
		return
	}
	select {
	case l.places <- struct{}{}:
	case <-ctx.Done():
		return
	}
	l.all.Go(func() {
		defer l.end(key)
		look()
	})
}

// take is false for a source that is taken.
func (l *looks) take(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.asked[key]
	l.asked[key] = true
	return !taken
}

func (l *looks) end(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.asked, key)
	<-l.places
}

// due is a source that may have moved.
type due struct {
	key    string
	source blob.Source
	held   origin.Mark
}

func (c *Cache) due() (all []due) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.store == nil {
		return nil
	}
	now := c.cfg.Now()
	for _, b := range c.store.List() {
		for _, src := range b.Sources {
			limit := c.cfg.Recheck
			if b.UsedAt.After(src.CheckedAt) {
				limit = min(afterUse, limit)
			}
			age := now.Sub(src.CheckedAt) // less than nothing, where the clock was ahead then: nobody knows
			if !src.Declared.IsZero() || isImmutable(src.Src) || age >= 0 && age < limit {
				continue
			}
			if key, err := Key(src.Src); err == nil {
				all = append(all, due{key, src, origin.Mark{Total: b.Size, ETag: src.ETag, Modified: src.Modified}})
			}
		}
	}
	return all
}

// isImmutable reports whether a source names its bytes, which no origin can have others of.
func isImmutable(src string) bool {
	return catalog.Scheme(src) == "oras" && strings.Contains(src, "@sha256:")
}

// compare looks at one source. An origin that cannot be asked changes nothing: what is held stays
// good, and the next look is not sooner for it.
func (c *Cache) compare(ctx context.Context, d due) {
	o := c.cfg.Origin
	now, err := origin.Look(ctx, d.source.Src, o)
	if ctx.Err() != nil {
		return
	}
	why := ""
	switch {
	case err != nil:
		c.cfg.Log.Debug("an origin could not be asked what it has", "url", origin.Redact(d.source.Src), "err", err)
		why = map[bool]string{true: "as before"}[d.source.Moved]
	default:
		why = d.held.Differs(now)
	}
	c.checked(d, why)
}

func (c *Cache) checked(d due, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.store == nil {
		return
	}
	if now, bound := c.store.Source(d.key); !bound || !now.BoundAt.Equal(d.source.BoundAt) {
		return // it leads to other bytes than those that were compared
	}
	moved := why != ""
	if moved && !d.source.Moved {
		c.cfg.Log.Info("a source leads to other bytes than the cache holds", message.ImageMoved, "url", origin.Redact(d.source.Src), "reason", why)
	}
	c.store.Note(d.key, func(s *blob.Source) { s.CheckedAt, s.Moved = c.cfg.Now(), moved })
	if moved && d.source.Rolling {
		_, _ = c.want(d.key, Source{Src: d.source.Src, Rolling: true}) // one that has failed of late is begun later
	}
}
