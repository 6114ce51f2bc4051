package auth

import (
	"net/netip"
	"sync"
	"time"
)

const (
	attempts   = 10              // wrong passwords in a row that an address may send
	refill     = 6 * time.Second // until it may send one more
	maxBuckets = 4096            // addresses that are remembered
)

// limiter is a bucket of attempts for each address. The address of a machine on IPv6 is its /64:
// the rest is its own to choose.
type limiter struct {
	now     func() time.Time
	mu      sync.Mutex
	buckets map[netip.Prefix]*bucket
}

// bucket has level attempts at a time; it fills up by itself.
type bucket struct {
	level float64
	at    time.Time
	dry   bool // somebody was told so since it was full
}

func (b *bucket) fill(now time.Time) {
	b.level = min(attempts, b.level+now.Sub(b.at).Seconds()/refill.Seconds())
	b.at = now
	b.dry = b.dry && b.level < attempts
}

// take uses up an attempt. If there is none it returns how long the address has to wait, and
// whether it is the first to hear that since its bucket was full.
func (l *limiter) take(from netip.Addr) (wait time.Duration, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(network(from))
	b.fill(l.now())
	if b.level >= 1 {
		b.level--
		return 0, false
	}
	first, b.dry = !b.dry, true
	return time.Duration((1 - b.level) * float64(refill)), first
}

// giveBack returns an attempt that was none.
func (l *limiter) giveBack(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.buckets[network(from)]; b != nil {
		b.level = min(attempts, b.level+1)
	}
}

func (l *limiter) bucket(of netip.Prefix) *bucket {
	if b := l.buckets[of]; b != nil {
		return b
	}
	if l.buckets == nil {
		l.buckets = map[netip.Prefix]*bucket{}
	}
	if len(l.buckets) >= maxBuckets {
		l.evict()
	}
	b := &bucket{level: attempts, at: l.now()}
	l.buckets[of] = b
	return b
}

// evict forgets the addresses that have all their attempts again, else the one that has most.
func (l *limiter) evict() {
	var fullest netip.Prefix
	most := -1.0
	for of, b := range l.buckets {
		if b.fill(l.now()); b.level >= attempts {
			delete(l.buckets, of)
		} else if b.level > most {
			fullest, most = of, b.level
		}
	}
	if len(l.buckets) >= maxBuckets {
		delete(l.buckets, fullest)
	}
}

func network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits) // the zero prefix stands for a local socket
	return prefix
}
