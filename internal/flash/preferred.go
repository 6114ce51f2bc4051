package flash

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// preference is how much nicer everybody else is, as in setpriority(2).
const preference = 10

// preferred does work on a thread that the kernel runs before all others. What everybody waits for is one
// thread where an image cannot be decoded in parts, and the digest where it need not be decoded at all; on two
// cores it shared its own with those who wait.
func preferred(work func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	self := unix.Gettid()
	was, err := unix.Getpriority(unix.PRIO_PROCESS, self)
	if err != nil {
		return work()
	}
	nice := 20 - was // the system call counts from 40 down to 1
	if unix.Setpriority(unix.PRIO_PROCESS, self, max(nice-preference, -20)) == nil {
		defer unix.Setpriority(unix.PRIO_PROCESS, self, nice) // becoming nicer is nobody refused
	}
	return work() // without the right to it, too
}
