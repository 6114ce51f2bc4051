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
)

// Progress is reported at each change of stage and about once a second between.
type Progress struct {
	Stage string
	Bytes int64   // transferred so far; in StageVerify and after it, read back
	Total int64   // to be transferred or read back; 0 = not known
	Rate  float64 // bytes per second over the last seconds
}

const (
	tick   = time.Second
	window = 5 // ticks that the rate is taken over
)

// meter counts and reports.
type meter struct {
	bytes  atomic.Int64
	report func(Progress)

	mu      sync.Mutex // also around report: calls do not overlap
	now     Progress
	samples []sample
}

type sample struct {
	at    time.Time
	bytes int64
}

func newMeter(report func(Progress)) *meter {
	if report == nil {
		report = func(Progress) {}
	}
	return &meter{report: report, samples: []sample{{at: time.Now()}}}
}

func (m *meter) add(n int)     { m.bytes.Add(int64(n)) }
func (m *meter) total(n int64) { m.mu.Lock(); m.now.Total = n; m.mu.Unlock() }

func (m *meter) stage(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Stage = name
	m.send()
}

// restart begins a stage that counts anew.
func (m *meter) restart(name string, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes.Store(0)
	m.samples = []sample{{at: time.Now()}}
	m.now.Stage, m.now.Total, m.now.Rate = name, total, 0
	m.send()
}

func (m *meter) send() {
	m.now.Bytes = m.bytes.Load()
	last := sample{time.Now(), m.now.Bytes}
	if d := last.at.Sub(m.samples[0].at); d > 0 {
		m.now.Rate = float64(last.bytes-m.samples[0].bytes) / d.Seconds()
	}
	m.report(m.now)
}

func (m *meter) tick() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.send()
	m.samples = append(m.samples, sample{time.Now(), m.now.Bytes})
	if len(m.samples) > window {
		m.samples = m.samples[1:]
	}
}

// start reports every second until the returned function is called, and returned.
func (m *meter) start() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(tick)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				m.tick()
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}
