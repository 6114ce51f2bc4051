package fill

import (
	"sync"
	"time"
)

const (
	// tail is what readers do not get before the whole is proven: who counts bytes sees then that
	// a transfer which failed is short.
	tail = 64 << 10
	// step and pace bound how often readers are woken: at the first bytes, then with each step, or after
	// a moment. With many readers each waking costs more than what there is to send.
	step = 2 << 20
	pace = 20 * time.Millisecond
)

// progress is what readers of a growing blob see of it.
type progress struct {
	mu      sync.Mutex
	grown   chan struct{} // closed at each step, and replaced
	written int64
	total   int64 // -1 while nobody knows
	known   bool  // the origin has answered; total is all that will be known before the end
	proven  bool
	err     error // it has failed

	shown   int64 // written, when readers were last woken
	shownAt time.Time
	timer   *time.Timer // wakes them for what came since
	samples []sample
}

// sample is how far it was at a time, for the rate.
type sample struct {
	at    time.Time
	bytes int64
}

const (
	samplesKept = 6
	sampleEvery = time.Second
)

func (p *progress) init() { p.grown, p.total = make(chan struct{}), -1 }

// limit is how far readers may read. The caller holds mu.
func (p *progress) limit() int64 {
	switch {
	case !p.known:
		return 0
	case p.proven:
		return p.written
	case p.total >= 0:
		return max(min(p.written, p.total-tail), 0)
	}
	return max(p.written-tail, 0)
}

// advance counts n bytes more.
func (p *progress) advance(n int) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.written += int64(n)
	if last := len(p.samples) - 1; last < 0 || now.Sub(p.samples[last].at) >= sampleEvery {
		p.samples = append(p.samples, sample{now, p.written})
		if len(p.samples) > samplesKept {
			p.samples = p.samples[1:]
		}
	}
	switch {
	case p.shown == 0 || p.written-p.shown >= step || now.Sub(p.shownAt) >= pace:
		p.show(now)
	case p.timer == nil:
		p.timer = time.AfterFunc(pace, p.showLater)
	}
}

func (p *progress) showLater() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.show(time.Now())
	}
}

// show wakes the readers. The caller holds mu.
func (p *progress) show(now time.Time) {
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	p.shown, p.shownAt = p.written, now
	close(p.grown)
	p.grown = make(chan struct{})
}

// change is for what readers learn at once.
func (p *progress) change(set func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	set()
	p.show(time.Now())
}

// rate is bytes per second over the last seconds. The caller holds mu.
func (p *progress) rate(now time.Time) int64 {
	if len(p.samples) == 0 {
		return 0
	}
	first := p.samples[0]
	took := now.Sub(first.at)
	if took < sampleEvery/10 {
		return 0
	}
	return int64(float64(p.written-first.bytes) / took.Seconds())
}
