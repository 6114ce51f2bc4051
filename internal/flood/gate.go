package flood

import (
	"net/netip"
	"sync"
	"time"
)

// Gate lets the first of a kind pass in a minute, for what costs more than a line. The zero Gate is
// open.
type Gate struct {
	mu    sync.Mutex
	since time.Time
	kinds map[kind]bool
}

// Pass reports whether what came from an address is the first of its kind in this minute, and not
// one kind too many.
func (g *Gate) Pass(now time.Time, from netip.Addr, what string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.since) >= Every {
		g.since, g.kinds = now, map[kind]bool{}
	}
	k := kind{what, network(from)}
	if g.kinds[k] || len(g.kinds) >= MaxKinds {
		return false
	}
	g.kinds[k] = true
	return true
}
