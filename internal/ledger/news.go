package ledger

import (
	"slices"
	"sync"
	"time"

	"bty/internal/event"
	"bty/internal/machine"
	"bty/internal/wire"
)

const (
	workerEvery = time.Second // how often the same state of the same work is told
	maxWorkers  = 256         // states of work that wait to be told, and works whose last state is known
)

// News is what the readers of the live streams are told beside the events, which are read from
// the log: in order and without a hole.
type News struct {
	Progress []wire.StreamProgress  // the last of each machine
	Workers  []wire.WorkerState     // each step, in order
	Changed  map[event.Subject]bool // what the events since the last News were about
	Marked   bool                   // events were acknowledged, or no longer are
	Lost     bool                   // there were more steps than are kept: read the state of all work again
}

// news gathers until somebody collects. Nothing in it grows with the rate at which things happen.
type news struct {
	mu       sync.Mutex
	progress map[machine.MAC]wire.Progress
	order    []machine.MAC // of progress
	workers  []wire.WorkerState
	lost     bool
	seen     bool // events were marked
	changed  map[event.Subject]bool
	told     map[[2]string]lastTold
	wake     chan struct{}
}

type lastTold struct {
	status string
	at     time.Time
}

func newNews() *news {
	return &news{progress: map[machine.MAC]wire.Progress{}, changed: map[event.Subject]bool{},
		told: map[[2]string]lastTold{}, wake: make(chan struct{}, 1)}
}

// Wake delivers once there is something to Collect.
func (l *Ledger) Wake() <-chan struct{} { return l.news.wake }

// Collect returns what happened since it was called last. It is for one caller.
func (l *Ledger) Collect() News {
	n := l.news
	n.mu.Lock()
	defer n.mu.Unlock()
	got := News{Workers: n.workers, Changed: n.changed, Marked: n.seen, Lost: n.lost}
	for _, mac := range n.order {
		got.Progress = append(got.Progress, wire.StreamProgress{MAC: mac.String(), Progress: n.progress[mac]})
	}
	n.workers, n.changed, n.seen, n.lost, n.order = nil, map[event.Subject]bool{}, false, false, nil
	clear(n.progress)
	return got
}

// Worker tells the live streams the state of long work: kind is "backup" or "release", key its ID
// or tag. Each change of the state is told, the same state again at most once a second, so that
// it may be called for every step of progress.
func (l *Ledger) Worker(kind, key, status string) {
	l.news.worker(wire.WorkerState{Kind: kind, Key: key, Status: status}, time.Now())
}

func (n *news) worker(s wire.WorkerState, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	id := [2]string{s.Kind, s.Key}
	if last := n.told[id]; last.status == s.Status && now.Sub(last.at) < workerEvery {
		return
	}
	if len(n.told) >= maxWorkers {
		clear(n.told) // at worst a state is told once too often
	}
	n.told[id] = lastTold{s.Status, now}
	if len(n.workers) >= maxWorkers {
		n.workers, n.lost = slices.Delete(n.workers, 0, 1), true
	}
	n.workers = append(n.workers, s)
	n.ring()
}

func (n *news) advanced(mac machine.MAC, p wire.Progress) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.progress[mac]; !known {
		n.order = append(n.order, mac)
	}
	n.progress[mac] = p
	n.ring()
}

func (n *news) happened(s event.Subject) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changed[s] = true
	n.ring()
}

func (n *news) marked() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = true
	n.ring()
}

// ring wakes who collects, who may be awake already.
func (n *news) ring() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}
