package sniff

import (
	"hash/maphash"
	"time"
)

const (
	// repeatWindow is for how long the same words of the same machine are not read again: a loop in the
	// LAN brings one packet thousands of times. Firmware waits longer before it asks again.
	repeatWindow = time.Second
	// copyWindow is for how long a packet is one that was seen, with other words: from the client and
	// from its relay.
	copyWindow = 500 * time.Millisecond
	maxCopies  = 16384
)

// copies recognises what was seen a moment ago. Of two generations the older one is emptied as a whole,
// so that forgetting costs little. Times are since the first, in numbers that the collector of garbage
// has not to look at.
type copies[K comparable] struct {
	window     time.Duration
	first      time.Time
	young, old map[K]time.Duration
	since      time.Duration
}

func newCopies[K comparable](window time.Duration) *copies[K] {
	return &copies[K]{window: window, first: time.Now(), young: map[K]time.Duration{}, old: map[K]time.Duration{}}
}

// seen reports whether this is a copy, and notes it if not.
func (c *copies[K]) seen(key K, at time.Time) bool {
	now := at.Sub(c.first)
	if len(c.young) >= maxCopies || now-c.since >= c.window {
		c.young, c.old, c.since = c.old, c.young, now
		clear(c.young)
	}
	before, known := c.young[key]
	if !known {
		before, known = c.old[key]
	}
	if age := now - before; known && age >= 0 && age < c.window {
		return true
	}
	c.young[key] = now
	return false
}

var seed = maphash.MakeSeed()

// words is what a message says, whichever transaction it is of and however long its client has tried:
// xid and secs change from one packet to the next, RFC 2131 section 2.
func words(payload []byte) uint64 {
	const xid, behindSecs = 4, 10
	if len(payload) < behindSecs {
		return maphash.Bytes(seed, payload)
	}
	return maphash.Bytes(seed, payload[:xid]) ^ 3*maphash.Bytes(seed, payload[behindSecs:])
}
