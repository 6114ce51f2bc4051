package backup

import "time"

// A backup takes its time while others work, so that machines get theirs. It works in pieces that
// are short beside a contact, so that one which meets a piece hardly waits, and rests so long after
// each that few do. What people see is the slowest hundredth of the contacts: work done in a two
// hundredth of the time does not reach it.
const (
	workSlice = 100 * time.Microsecond
	restRatio = 200                    // rests in times of the work
	longRest  = 250 * time.Millisecond // after a piece that a slow disk has drawn out
	patience  = 10 * time.Minute       // of rests; who has been held up for that long goes on in hurry
	hurry     = 10                     // rests in times of the work, also where somebody waits for the backup
)

// pace is who works at what speed. The zero pace never rests.
type pace struct {
	commits  func() int64  // transactions of everybody so far
	ratio    time.Duration // rests in times of the work
	patience time.Duration // how long it rests at that ratio
	seen     int64
	since    time.Time
	rested   time.Duration
}

// paceOf is the pace of a backup that nobody waits for, or somebody does.
func paceOf(commits func() int64, trigger Trigger) *pace {
	p := &pace{commits: commits, ratio: restRatio, patience: patience}
	if trigger == ForRestore {
		p.patience = 0
	}
	return p
}

// breathe is called between two pieces of work, however small they are.
func (p *pace) breathe() {
	if p.commits == nil {
		return
	}
	now := time.Now()
	if p.since.IsZero() {
		p.since = now
	}
	worked := now.Sub(p.since)
	if worked < workSlice {
		return
	}
	if commits := p.commits(); commits != p.seen {
		p.seen = commits
		time.Sleep(p.restAfter(worked))
		now = time.Now()
	}
	p.since = now
}

func (p *pace) restAfter(worked time.Duration) time.Duration {
	ratio := p.ratio
	if p.rested >= p.patience {
		ratio = min(ratio, hurry)
	}
	rest := min(worked*ratio, longRest)
	p.rested += rest
	return rest
}
