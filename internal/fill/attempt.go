package fill

import (
	"time"

	"bty/internal/wire"
)

// attempt counts a connection to the origin.
func (f *fill) attempt() {
	f.progress.mu.Lock()
	defer f.progress.mu.Unlock()
	f.attempts++
}

// waits is told of a pause before another attempt.
func (f *fill) waits(_ int, next time.Time, cause error) {
	f.progress.mu.Lock()
	f.attempts++
	f.status, f.next, f.last = wire.CacheFillWaiting, next, cause
	f.progress.mu.Unlock()
	f.c.rest(f, true)
}

// arrived is told of bytes.
func (f *fill) arrived() {
	f.progress.mu.Lock()
	waited := f.status == wire.CacheFillWaiting
	if waited {
		f.status, f.next = wire.CacheFillRunning, time.Time{}
	}
	f.progress.mu.Unlock()
	if waited {
		f.c.rest(f, false)
	}
}
