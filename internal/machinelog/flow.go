package machinelog

import (
	"time"

	"bty/internal/machine"
)

const (
	maxMinute    = 512 << 10 // bytes of one machine in a minute
	maxMinuteAll = 32 << 20  // of all
)

// flow bounds what comes in a minute. What it remembers is bounded by that too.
type flow struct {
	since time.Time
	all   int64
	of    map[machine.MAC]int64
}

func (f *flow) takes(mac machine.MAC, n int64, now time.Time) bool {
	if age := now.Sub(f.since); age >= time.Minute || age < 0 {
		f.since, f.all, f.of = now, 0, map[machine.MAC]int64{}
	}
	if f.all+n > maxMinuteAll || f.of[mac]+n > maxMinute {
		return false
	}
	f.all += n
	f.of[mac] += n
	return true
}
