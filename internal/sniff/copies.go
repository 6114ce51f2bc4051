package sniff

import "time"

// The same packet shows on a port and on its bridge, with its tag and without, from the client and
// from the relay. What a machine sends again comes later.
const (
	copyWindow = 500 * time.Millisecond
	maxCopies  = 16384
)

// copies recognises a packet that was seen a moment ago. Of two generations the older one is emptied
// as a whole, so that forgetting costs little.
type copies struct {
	young, old map[identity]time.Time
	since      time.Time
}

// seen reports whether a packet is a copy, and notes it.
func (c *copies) seen(id identity, now time.Time) bool {
	if c.young == nil {
		c.young, c.old = map[identity]time.Time{}, map[identity]time.Time{}
	}
	if len(c.young) >= maxCopies || now.Sub(c.since) >= copyWindow {
		c.young, c.old, c.since = c.old, c.young, now
		clear(c.young)
	}
	at, known := c.young[id]
	if !known {
		at, known = c.old[id]
	}
	if age := now.Sub(at); known && age >= 0 && age < copyWindow {
		return true
	}
	c.young[id] = now
	return false
}
