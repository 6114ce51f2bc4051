package oras

import (
	"sync"
	"time"
)

// liars are mirrors that gave other bytes than a digest names. Such a mirror is damaged, not down:
// without a memory of it, it would be asked first again at every attempt.
type liars struct {
	mu    sync.Mutex
	until map[lie]time.Time
}

type lie struct{ host, digest string }

const (
	lieTime = time.Hour // by then somebody may have mended it
	maxLies = 256
)

func (l *liars) note(host, digest string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.until == nil || len(l.until) >= maxLies {
		l.until = map[lie]time.Time{}
	}
	l.until[lie{host, digest}] = time.Now().Add(lieTime)
}

func (l *liars) has(host, digest string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.until[lie{host, digest}])
}
