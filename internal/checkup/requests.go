package checkup

import (
	"net/netip"
	"sync"
	"time"
)

// requests is when addresses asked for something last. It is bounded: when one half is full, the
// older half is forgotten.
type requests struct {
	mu         sync.Mutex
	now, older map[netip.Addr]time.Time
}

const maxRequests = 4096 // of a half

func newRequests() *requests {
	return &requests{now: map[netip.Addr]time.Time{}, older: map[netip.Addr]time.Time{}}
}

func (r *requests) note(from netip.Addr, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.now[from]; !known && len(r.now) >= maxRequests {
		r.now, r.older = map[netip.Addr]time.Time{}, r.now
	}
	r.now[from] = at
}

func (r *requests) last(from netip.Addr) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, known := r.now[from]; known {
		return at
	}
	return r.older[from]
}
