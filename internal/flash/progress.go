package flash

import (
	"sync"
	"sync/atomic"
	"time"
)

// Stages of a flash, in their order.
const (
	StageOpen   = "open"
	StageWrite  = "write"
	StageSync   = "sync"
	StageVerify = "verify" // only if it was asked for
	StageTable  = "table"

	// StageOrigin is no stage of its own: it is reported once, within one, when the image's cache is gone
	// and its bytes come from its origin from there on. Progress.Detail says so.
	StageOrigin = "origin"
)

// Progress is reported at each change of stage and about once a second between.
type Progress struct {
	Stage string
	Bytes int64   // transferred so far; in StageVerify and after it, read back
	Total int64   // to be transferred or read back; 0 = not known
	Rate  float64 // bytes per second over the last seconds

	Detail string // for people; of StageOrigin
}

const (
	tick   = time.Second
	window = 5 // ticks that the rate is taken over
)

// patience is how long a flash waits, once, for whoever is told of its progress. Who does not listen any
// more, such as a script that stopped reading our output, misses it.
const patience = time.Second

// meter counts, and has a goroutine of its own that reports: a report may take for ever.
type meter struct {
	bytes  atomic.Int64
	report func(Progress)
	caught catcher

	mu      sync.Mutex
	now     Progress
	samples []sample
	pending []notice // in order; changes of stage are few

	changed chan struct{} // there is something pending
	quit    chan struct{}
	done    chan struct{}
	deaf    atomic.Bool // nobody listens, and nobody waits any more
}

type sample struct {
	at    time.Time
	bytes int64
}

// notice is a report that somebody waits for.
type notice struct {
	Progress
	told chan struct{}
}

func newMeter(report func(Progress), caught catcher) *meter {
	if report == nil {
		report = func(Progress) {}
	}
	return &meter{
		report: report, caught: caught, samples: []sample{{at: time.Now()}},
		changed: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
}

func (m *meter) add(n int)     { m.bytes.Add(int64(n)) }
func (m *meter) total(n int64) { m.mu.Lock(); m.now.Total = n; m.mu.Unlock() }

func (m *meter) stage(name string) {
	m.mu.Lock()
	m.now.Stage = name
	told := m.announce()
	m.mu.Unlock()
	m.wait(told)
}

// say reports what happened within a stage, and waits for nobody.
func (m *meter) say(stage, detail string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.announce()
	last := &m.pending[len(m.pending)-1]
	last.Stage, last.Detail = stage, detail
}

// restart begins a stage that counts anew.
func (m *meter) restart(name string, total int64) {
	m.mu.Lock()
	m.bytes.Store(0)
	m.samples = []sample{{at: time.Now()}}
	m.now.Stage, m.now.Total, m.now.Rate = name, total, 0
	told := m.announce()
	m.mu.Unlock()
	m.wait(told)
}

// announce is called with the lock held.
func (m *meter) announce() (told <-chan struct{}) {
	n := notice{m.snapshot(), make(chan struct{})}
	m.pending = append(m.pending, n)
	select {
	case m.changed <- struct{}{}:
	default:
	}
	return n.told
}

func (m *meter) wait(told <-chan struct{}) {
	if m.deaf.Load() {
		return
	}
	select {
	case <-told:
	case <-time.After(patience):
		m.deaf.Store(true)
	}
}

// snapshot is called with the lock held.
func (m *meter) snapshot() Progress {
	m.now.Bytes = m.bytes.Load()
	last := sample{time.Now(), m.now.Bytes}
	if d := last.at.Sub(m.samples[0].at); d > 0 {
		m.now.Rate = float64(last.bytes-m.samples[0].bytes) / d.Seconds()
	}
	return m.now
}

// tock is a snapshot that later rates are taken from, after what is pending.
func (m *meter) tock() {
	m.mu.Lock()
	p := m.snapshot()
	m.samples = append(m.samples, sample{time.Now(), p.Bytes})
	if len(m.samples) > window {
		m.samples = m.samples[1:]
	}
	m.pending = append(m.pending, notice{p, make(chan struct{})})
	m.mu.Unlock()
	m.tell()
}

// start reports until the returned function is called, which returns when all is told or nobody listens.
func (m *meter) start() (stop func()) {
	go m.run()
	return func() {
		close(m.quit)
		m.wait(m.done)
	}
}

func (m *meter) run() {
	defer close(m.done)
	defer func() {
		if p := recover(); p != nil {
			m.deaf.Store(true)
			m.caught(ErrCancelled, "who is told of the progress", p)
		}
	}()
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			m.tock()
		case <-m.changed:
			m.tell()
		case <-m.quit:
			m.tell()
			return
		}
	}
}

// tell reports what is pending.
func (m *meter) tell() {
	m.mu.Lock()
	notices := m.pending
	m.pending = nil
	m.mu.Unlock()
	for _, n := range notices {
		m.report(n.Progress)
		close(n.told)
	}
}
