// Package live is the streams that tell readers what happens (WHATWG HTML, server-sent events).
// One goroutine reads what is new a few times a second and encodes it once; all readers are sent
// the same bytes, each at its own pace. What a stream costs does not depend on how fast things
// happen, and a slow reader delays nobody.
package live

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"bty/internal/event"
	"bty/internal/ledger"
	"bty/internal/message"
	"bty/internal/web/serve"
)

// Log is what the streams read of the audit log.
type Log interface {
	Events(event.Filter) ([]event.Event, error)
	Newest() (event.ID, error)
	Alarms() (int, error)
}

// News is what tells that something happened, and what beside the events; a *ledger.Ledger does.
type News interface {
	Wake() <-chan struct{}
	Collect() ledger.News
}

// Fragment is a part of a page, under the name that its message has.
type Fragment struct{ Name, HTML string }

// Config is what the streams are made of.
type Config struct {
	Serve serve.Adapter
	Log   Log
	News  News
	// Fragments renders what GET /events/machines sends.
	Fragments func(context.Context) ([]Fragment, error)
	Journal   *slog.Logger
}

// Live is the streams. Run must be running for anything to reach their readers.
type Live struct {
	Config
	all     *topic // GET /api/v1/stream
	workers *topic // GET /events/workers
	pages   *topic // GET /events/machines

	last     event.ID // up to which events were told; this and the next two are Run's alone
	stale    bool     // the fragments that were told last show no longer what is
	rendered time.Time
	readers  atomic.Int32
}

// New returns streams whose first event is the next one.
func New(c Config) (*Live, error) {
	newest, err := c.Log.Newest()
	return &Live{Config: c, all: newTopic(newest), workers: newTopic(0), pages: newTopic(0), last: newest, stale: true}, err
}

const (
	roundPause  = 200 * time.Millisecond // between rounds: the first event is told at once
	crowdPause  = time.Second            // after a round with more events than are told one by one
	roundEvents = 500                    // events that one round tells one by one
	renderEvery = time.Second            // how often fragments are rendered
	maxReaders  = 1024
)

// Run tells the readers what happens until ctx ends.
func (l *Live) Run(ctx context.Context) error {
	render := time.NewTicker(renderEvery)
	defer render.Stop()
	var again <-chan time.Time // after a round that failed
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-render.C:
			l.render(ctx)
			continue
		case <-again:
		case <-l.News.Wake():
		}
		again = nil
		crowded, err := l.round()
		l.render(ctx)
		pause := roundPause
		if crowded {
			pause = crowdPause
		}
		if err != nil {
			l.Journal.Warn("what happened could not be told to the live streams; the next try follows", message.LiveBehind, "err", err)
			again = time.After(crowdPause)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// Register adds the routes. Who may read them is the guard's to say.
func (l *Live) Register(mux serve.Mux, guard serve.Guard) {
	for path, h := range map[string]func(reader) error{"/api/v1/stream": l.streamAll, "/events/workers": l.streamWorkers, "/events/machines": l.streamPages} {
		mux.Handle("GET "+path, vary(l.Serve.Do(guard, l.reading(guard, h))))
	}
}

// vary marks an answer that depends on who asks.
func vary(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Cookie")
		h.ServeHTTP(w, r)
	})
}
