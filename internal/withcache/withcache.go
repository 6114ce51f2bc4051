// Package withcache asks a cache that speaks withcache's URLs whether it has an image. A cache is a
// help and never a condition: whatever goes wrong with it means that it has nothing.
package withcache

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"bty/internal/catalog"
)

const (
	probeTime  = 3 * time.Second // that a machine waits at most
	restTime   = 5 * time.Second // that a cache which gave no answer is left alone
	maxResting = 64              // caches that are remembered to be dead; there is one, unless the setting changes all the time
)

// Cache is the cache that is configured now. It is safe for concurrent use.
type Cache struct {
	Base func() string // its URL, "" for none
	HTTP *http.Client
	Now  func() time.Time

	probes singleflight.Group

	mu      sync.Mutex
	resting map[string]time.Time // base URL of a cache that gave no answer -> until when it is not asked
}

// Configured reports whether there is a cache.
func (c *Cache) Configured() bool { return c.Base() != "" }

// Ask asks for a source. It takes 3 seconds at most; a rack of machines that ask for one image
// waits for one probe, and a cache that is down costs the first machine its time and not the rest.
// To be asked for what it lacks makes a cache fetch it.
func (c *Cache) Ask(ctx context.Context, src string) catalog.Cached {
	base := c.Base()
	if base == "" {
		return catalog.Cached{Src: src}
	}
	answer := catalog.Cached{Src: src, Configured: true}
	url := catalog.CacheURL(base, src)
	if c.rests(base) {
		return answer
	}
	probe := c.probes.DoChan(url, func() (any, error) {
		// Whoever asked first may go away; the others still want to know.
		hit, alive := c.probe(context.WithoutCancel(ctx), url)
		if !alive {
			c.rest(base)
		}
		return hit, nil
	})
	select {
	case result := <-probe:
		if hit, _ := result.Val.(bool); hit {
			answer.Hit, answer.URL = true, url
		}
	case <-ctx.Done():
	}
	return answer
}

// probe reports whether the cache has the bytes, and whether it answered at all.
func (c *Cache) probe(ctx context.Context, url string) (hit, alive bool) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return false, false
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return false, false
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<10))
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK, true
}

func (c *Cache) rests(base string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Now().Before(c.resting[base])
}

func (c *Cache) rest(base string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resting == nil || len(c.resting) >= maxResting {
		c.resting = map[string]time.Time{}
	}
	c.resting[base] = c.Now().Add(restTime)
}
