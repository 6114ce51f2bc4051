package flood

import (
	"cmp"
	"net/netip"
	"sync"
	"time"
)

// Gate lets the first few of a kind pass in a minute, for what costs more than a line. The zero Gate
// lets one of each pass, and tells MaxKinds apart.
type Gate struct {
	Each  int // that pass of a kind; 0 is 1
	Kinds int // that are told apart; 0 is MaxKinds

	mu    sync.Mutex
	since time.Time
	kinds map[kind]int
}

// Pass reports whether what came from an address is among the first of its kind in this minute, and
// not of one kind too many.
func (g *Gate) Pass(now time.Time, from netip.Addr, what string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.since) >= Every || now.Before(g.since) {
		g.since, g.kinds = now, map[kind]int{}
	}
	k := kind{what, network(from)}
	passed, known := g.kinds[k]
	if passed >= cmp.Or(g.Each, 1) || !known && len(g.kinds) >= cmp.Or(g.Kinds, MaxKinds) {
		return false
	}
	g.kinds[k]++
	return true
}
