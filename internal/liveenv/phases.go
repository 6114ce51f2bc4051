package liveenv

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// phases measures how long each part of coming up took.
type phases struct {
	mu    *sync.Mutex
	start time.Time
	last  time.Time
	text  *strings.Builder
}

func newPhases() phases {
	now := time.Now()
	p := phases{mu: &sync.Mutex{}, start: now, last: now, text: &strings.Builder{}}
	return p
}

// end closes a phase that began when the one before it ended.
func (p *phases) end(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	fmt.Fprintf(p.text, ", %s %s", name, seconds(now.Sub(p.last)))
	p.last = now
}

// String is "live environment up in 1.9 s: kernel 1.1 s, modules 0.8 s, link 0.1 s".
func (p *phases) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	kernel := sinceBoot() - time.Since(p.start)
	return fmt.Sprintf("live environment up in %s: kernel %s%s", seconds(sinceBoot()), seconds(kernel), p.text)
}

// sinceBoot is the kernel's age.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
