package release

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/job"
	"bty/internal/ledger"
	"bty/internal/origin"
)

// Config is what a Manager works with.
type Config struct {
	Shelf    *Shelf
	Version  string // of the artifacts that are fetched
	Upstream func() Upstream
	Book     ledger.Book
	Ledger   *ledger.Ledger
	Now      func() time.Time
	Log      *slog.Logger
	Origin   origin.Options // how patient a download is
	// Searchable is closed once Book can be searched at little cost; nil is from the start.
	Searchable <-chan struct{}
}

// Manager fetches releases of the Debian live environment into the boot folder, one at a time.
// The tag is the key: a tag that waits or is being fetched is not fetched twice, one that has been
// fetched may be fetched again. It is safe for concurrent use.
type Manager struct {
	Config
	pool *job.Pool[Fetch]

	mu   sync.Mutex
	past map[string]State // fetches of before this start, as the audit log has them
}

// State is a fetch and where it is.
type State = job.State[Fetch]

// NewManager returns a Manager that works once Run runs.
func NewManager(c Config) *Manager {
	m := &Manager{Config: c, past: map[string]State{}}
	m.pool = job.New(job.Config[Fetch]{Name: "release fetch", Workers: 1, Kept: 20, Now: c.Now, Log: c.Log, Do: m.do, Changed: m.changed})
	return m
}

// Run works off what is asked for until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	var beside sync.WaitGroup
	beside.Go(func() { m.rememberIn(ctx) })
	defer beside.Wait()
	return m.pool.Run(ctx)
}

// Request asks for a release. A fetch of the same tag that has not ended is returned as it is.
// What becomes of it is laid to the operator who waits for it, else to the system.
func (m *Manager) Request(ctx context.Context, tag string, from netip.Addr, waits bool) (State, error) {
	if tag == "" {
		tag = Latest
	}
	if err := CheckTag(tag); err != nil {
		return State{}, err
	}
	if known, ok := m.pool.Get(tag); ok && !known.Status.Ended() {
		return known, nil
	}
	fetch := Fetch{By: event.System}
	if waits {
		fetch.By, fetch.From = event.Operator, from
	}
	for i, name := range Artifacts(m.Version) {
		fetch.Artifacts[i] = Artifact{Name: name, Status: job.Queued, Total: -1}
	}
	base, err := m.Upstream().base(m.Version, tag)
	if err != nil {
		return State{}, err
	}
	fetch.BaseURL = origin.Redact(base)
	asked := m.event(event.FetchRequested, tag, event.Operator, from, fmt.Sprintf("boot artifacts of release %s asked for", tag), aboutTag{Tag: tag})
	state, _, err := m.pool.EnqueueRecorded(tag, fetch, func() error { return m.Book.Record(ctx, asked) })
	return state, err
}

// Wait returns the fetch of a tag once it has ended, or as it is when ctx ends.
func (m *Manager) Wait(ctx context.Context, tag string) (State, error) {
	if tag == "" {
		tag = Latest
	}
	state, err := m.pool.Wait(ctx, tag)
	return settle(state), err
}

// cancelWait is how long Cancel waits for a fetch to see that it is cancelled.
const cancelWait = time.Second

// Cancel ends a fetch. One that has ended stays as it is.
func (m *Manager) Cancel(ctx context.Context, tag string, from netip.Addr) (State, error) {
	if err := CheckTag(tag); err != nil {
		return State{}, err
	}
	state, ok := m.find(tag)
	if !ok {
		return State{}, fault.New(fault.NotFound, "no active release fetch for tag '%s'", tag)
	}
	if state.Status.Ended() {
		return settle(state), nil
	}
	asked := m.event(event.FetchCancelled, tag, event.Operator, from, fmt.Sprintf("fetch of release %s cancelled", tag), aboutTag{Tag: tag, Source: "operator"})
	if err := m.Book.Record(ctx, asked); err != nil {
		return State{}, err
	}
	m.pool.Cancel(tag)
	ctx, stop := context.WithTimeout(ctx, cancelWait)
	defer stop()
	state, _ = m.pool.Wait(ctx, tag) // it is on its way to its end, whether that was seen or not
	return settle(state), nil
}

// List returns the fetches, those of before this start first.
func (m *Manager) List() []State {
	now := m.pool.List()
	m.mu.Lock()
	defer m.mu.Unlock()
	var states []State
	for _, old := range m.past {
		if _, again := m.pool.Get(old.Key); !again {
			states = append(states, old)
		}
	}
	sortByEnd(states)
	for _, s := range now {
		states = append(states, settle(s))
	}
	return states
}

func (m *Manager) find(tag string) (State, bool) {
	if s, ok := m.pool.Get(tag); ok {
		return s, true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.past[tag]
	return s, ok
}

// settle makes the artifacts of a fetch that has ended say so too.
func settle(s State) State {
	if s.Status.Ended() {
		s.Detail = s.Detail.settled(s.Status, Why(s.Err), s.FinishedAt)
	}
	return s
}

// Why is the reason of a failure for people, "" if there is none.
func Why(err error) string {
	if err == nil {
		return ""
	}
	return fault.Public(err)
}

func (m *Manager) changed(s State) { m.Ledger.Worker("release", s.Key, string(s.Status)) }
