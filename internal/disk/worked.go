package disk

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Worked is the processor time that writes and zeroing took in threads of this process; what the kernel's
// own threads do behind them is not in it.
func (t *Target) Worked() time.Duration {
	if t.ring != nil {
		return ringTime() - t.before
	}
	return time.Duration(t.worked.Load())
}

// alone measures a system call on a thread that nobody else uses meanwhile.
func (t *Target) alone(call func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := clockTime(unix.CLOCK_THREAD_CPUTIME_ID)
	err := call()
	t.worked.Add(int64(clockTime(unix.CLOCK_THREAD_CPUTIME_ID) - before))
	return err
}

// ringTime is the processor time of the threads of this process that work for its rings.
func ringTime() (sum time.Duration) {
	const tasks = "/proc/self/task"
	entries, err := os.ReadDir(tasks)
	if err != nil {
		return 0
	}
	for _, e := range entries {
		name, err := os.ReadFile(filepath.Join(tasks, e.Name(), "comm"))
		tid, nerr := strconv.Atoi(e.Name())
		if err == nil && nerr == nil && strings.HasPrefix(string(name), "iou-wrk-") {
			sum += clockTime(threadClock(tid))
		}
	}
	return sum
}

// threadClock is the processor time of a thread as a clock, as the kernel numbers these
// (CPUCLOCK_SCHED and CPUCLOCK_PERTHREAD_MASK of <linux/posix-timers.h>).
func threadClock(tid int) int32 { return int32(^tid<<3 | 4 | 2) }

func clockTime(clock int32) time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(clock, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
