// Package withcache asks a cache that speaks withcache's URLs whether it has an image. A cache is a
// help and never a condition: whatever goes wrong with it means that it has nothing.
package withcache

import (
	"context"
	"net"
	"net/http"
	"strconv"
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

// Cache is the cache that machines are sent to now: the one that is configured, else bty-cache of
// this host, if it is there. It is safe for concurrent use.
type Cache struct {
	Base func() string // its URL as configured, "" for none
	Own  Own
	HTTP *http.Client
	Now  func() time.Time

	probes singleflight.Group

	mu      sync.Mutex
	resting map[string]time.Time // what gave no answer -> until when it is not asked
}

// Own is bty-cache on this host. Machines reach it at the name by which they reached bty-web.
type Own struct {
	Here func() bool   // is asked on a machine's time; nil is never
	Addr func() string // host:port, for this process
}

func (o Own) isHere() bool { return o.Here != nil && o.Here() }

// place is where a cache is.
type place struct {
	base  string // for machines
	probe string // for this process
	isOwn bool
}

// at is where the cache is for whoever reached bty-web as host.
func (c *Cache) at(host string) (p place, ok bool) {
	if base := c.Base(); base != "" {
		return place{base: base, probe: base}, true
	}
	if !c.Own.isHere() {
		return place{}, false
	}
	addr := c.Own.Addr()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return place{}, false
	}
	return place{base: "http://" + net.JoinHostPort(hostname(host), port), probe: "http://" + addr, isOwn: true}, true
}

// hostname is a Host header without its port. One without a port may be a bare IPv6 address in
// brackets.
func hostname(host string) string {
	if name, port, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err == nil {
			return name
		}
	}
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}

// Configured reports whether there is a cache.
func (c *Cache) Configured() bool { return c.Base() != "" || c.Own.isHere() }

// Listing is how the sources of a catalog are written for whoever reached bty-web as host.
func (c *Cache) Listing(host string) catalog.Listing {
	p, _ := c.at(host)
	return catalog.Listing{Cache: p.base, Pins: p.isOwn}
}

// Ask asks for the bytes of an entry, for a machine that reached bty-web as host. It takes 3 seconds
// at most; a rack of machines that ask for one image waits for one probe, and a cache that is down
// costs the first machine its time and not the rest. To be asked for what it lacks makes a cache
// fetch it.
func (c *Cache) Ask(ctx context.Context, e catalog.Entry, host string) catalog.Cached {
	p, ok := c.at(host)
	answer := catalog.Cached{Src: e.Src, Digest: e.Digest, Configured: ok}
	url := catalog.PinnedCacheURL(p.probe, e.Src, e.Digest)
	if !ok || c.rests(p.probe) || c.rests(url) {
		return answer
	}
	probe := c.probes.DoChan(url, func() (any, error) {
		// Whoever asked first may go away; the others still want to know.
		said := c.probe(context.WithoutCancel(ctx), url)
		c.settle(p, url, said)
		return said, nil
	})
	select {
	case result := <-probe:
		if said, _ := result.Val.(said); said.has {
			answer.Hit, answer.URL = true, catalog.CacheURL(p.base, e.Src)
			if p.isOwn || said.pins {
				answer.URL = catalog.PinnedCacheURL(p.base, e.Src, e.Digest)
			}
		}
	case <-ctx.Done():
	}
	return answer
}

// settle leaves alone what gave no answer. bty-cache answers once it knows how long an image is: an
// origin that is slow to say that is no reason to go without the other images.
func (c *Cache) settle(p place, url string, s said) {
	switch {
	case s.alive:
	case p.isOwn && s.late:
		c.rest(url)
	default:
		c.rest(p.probe)
	}
}

func (c *Cache) rests(what string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Now().Before(c.resting[what])
}

func (c *Cache) rest(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resting == nil || len(c.resting) >= maxResting {
		c.resting = map[string]time.Time{}
	}
	c.resting[what] = c.Now().Add(restTime)
}
