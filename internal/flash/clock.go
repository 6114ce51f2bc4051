package flash

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Effort is what a stage took while the image was written. Stages work beside each other.
type Effort struct {
	Seconds float64 `json:"seconds"` // in which it was at work, or waited for what is outside: the network, the disk
	CPU     float64 `json:"cpu"`     // processor time of this process
}

// Efforts are those of all stages.
type Efforts struct {
	Network Effort `json:"network"` // its processor time is estimated by samples
	Digest  Effort `json:"digest"`
	Decode  Effort `json:"decode"` // its processor time is what the others leave, the program's own with it
	Disk    Effort `json:"disk"`   // without the kernel's workers
}

// Names of stages in Result.Bottleneck.
const (
	byNetwork = "network"
	byDigest  = "digest"
	byDecode  = "decode"
	byDisk    = "disk"
)

// clock measures the stages.
type clock struct {
	network, digest, decode span
	disk                    union

	before time.Duration // processor time of this process when the flash began
}

func newClock() *clock { return &clock{before: cpuOf(unix.CLOCK_PROCESS_CPUTIME_ID)} }

// span adds up the time that one goroutine works.
type span struct{ wall, cpu atomic.Int64 }

func (s *span) count(since time.Time) { s.wall.Add(int64(time.Since(since))) }

// do measures work on a thread that nobody else uses meanwhile. Its processor time counts for times as much.
func (s *span) do(times int64, work func()) {
	defer s.count(time.Now())
	if times == 0 {
		work()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := cpuOf(unix.CLOCK_THREAD_CPUTIME_ID)
	work()
	s.cpu.Add(times * int64(cpuOf(unix.CLOCK_THREAD_CPUTIME_ID)-before))
}

func (s *span) effort() Effort { return Effort{seconds(s.wall.Load()), seconds(s.cpu.Load())} }

// union adds up the time in which any of several goroutines works.
type union struct {
	mu     sync.Mutex
	active int
	since  time.Time
	wall   time.Duration
}

func (u *union) begin() (end func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.active++; u.active == 1 {
		u.since = time.Now()
	}
	return u.end
}

func (u *union) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.active--; u.active == 0 {
		u.wall += time.Since(u.since)
	}
}

// sum says what each stage took until now, with the processor time of the disk. The decoder waited for bytes in
// some of its time.
func (c *clock) sum(starved, disk time.Duration) Efforts {
	e := Efforts{Network: c.network.effort(), Digest: c.digest.effort(), Decode: c.decode.effort()}
	c.disk.mu.Lock()
	e.Disk = Effort{c.disk.wall.Seconds(), disk.Seconds()}
	c.disk.mu.Unlock()
	e.Decode.Seconds = max(e.Decode.Seconds-starved.Seconds(), 0)
	rest := (cpuOf(unix.CLOCK_PROCESS_CPUTIME_ID) - c.before).Seconds() - e.Network.CPU - e.Digest.CPU - e.Disk.CPU
	e.Decode.CPU = max(rest, 0)
	return e
}

func cpuOf(clock int32) time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(clock, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

func seconds(nanoseconds int64) float64 { return time.Duration(nanoseconds).Seconds() }
