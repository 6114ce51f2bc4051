package backup

import "time"

// A backup takes its time, so that machines get theirs: after each piece of work it rests several
// times as long. The bounds keep a slow disk from making it endless.
const (
	workSlice = time.Millisecond
	restRatio = 4
	longRest  = 25 * time.Millisecond
)

// pace is who works at what speed; the zero pace begins now.
type pace struct{ since time.Time }

// breathe is called between two pieces of work, however small they are.
func (p *pace) breathe() {
	if p.since.IsZero() {
		p.since = time.Now()
		return
	}
	worked := time.Since(p.since)
	if worked < workSlice {
		return
	}
	time.Sleep(min(worked*restRatio, longRest))
	p.since = time.Now()
}
