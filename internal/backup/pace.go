package backup

import "time"

// A backup takes its time while others work, so that machines get theirs: after each piece of work
// it rests several times as long. The bounds keep a slow disk from making it endless.
const (
	workSlice = 500 * time.Microsecond
	restRatio = 60
	longRest  = 100 * time.Millisecond
)

// pace is who works at what speed. The zero pace never rests.
type pace struct {
	commits func() int64  // transactions of everybody so far
	ratio   time.Duration // rests in times of the work
	seen    int64
	since   time.Time
}

// breathe is called between two pieces of work, however small they are.
func (p *pace) breathe() {
	if p.commits == nil {
		return
	}
	now := time.Now()
	worked := now.Sub(p.since)
	if worked < workSlice {
		return
	}
	if commits := p.commits(); commits != p.seen {
		p.seen = commits
		time.Sleep(min(worked*p.ratio, longRest))
		now = time.Now()
	}
	p.since = now
}
