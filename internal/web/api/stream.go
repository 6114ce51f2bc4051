package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"bty/internal/daemon"
	"bty/internal/event"
	"bty/internal/ledger"
	"bty/internal/wire"
)

const (
	streamRetry     = 2 * time.Second  // how soon a reader comes back after a break
	streamHeartbeat = 15 * time.Second // so that a proxy does not take silence for death
	streamCatchUp   = 1000             // events that a reader who was away is sent at most
)

// stream is the one live stream (WHATWG HTML, server-sent events): "event" with an ID for each
// event, "progress" for how far a live environment is, "reload" when the reader missed something.
// A reader that names the last ID it saw gets what came since.
func (c Config) stream(w http.ResponseWriter, r *http.Request) error {
	changes := c.Ledger.Subscribe(r.Context())
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	s := sse{w: w, flush: http.NewResponseController(w)}
	s.printf("retry: %d\n\n", streamRetry.Milliseconds())
	last, err := c.catchUp(&s, r.Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	heartbeat := time.NewTicker(streamHeartbeat)
	defer heartbeat.Stop()
	for s.err == nil {
		select {
		case change, open := <-changes:
			if !open {
				return nil
			}
			s.change(change, last)
		case <-heartbeat.C:
			s.printf(": still here\n\n")
		case <-r.Context().Done():
			return nil
		case <-daemon.Draining(r.Context()):
			return nil
		}
	}
	return nil
}

// catchUp sends the events after the ID and returns the last one that was sent.
func (c Config) catchUp(s *sse, after string) (event.ID, error) {
	id, err := strconv.ParseUint(after, 10, 64)
	if err != nil {
		return 0, s.err // a reader that was not here before gets what happens from now on
	}
	found, err := c.Events.Events(event.Filter{Limit: streamCatchUp})
	if err != nil {
		return 0, err
	}
	last := event.ID(id)
	if len(found) == streamCatchUp && found[len(found)-1].ID > last+1 {
		s.printf("event: reload\ndata: {}\n\n")
	}
	for i := len(found) - 1; i >= 0; i-- {
		if found[i].ID > last {
			s.event(found[i])
			last = found[i].ID
		}
	}
	return last, nil
}

// sse writes messages until the first error.
type sse struct {
	w     http.ResponseWriter
	flush *http.ResponseController
	err   error
}

func (s *sse) change(c ledger.Change, last event.ID) {
	if c.Lost {
		s.printf("event: reload\ndata: {}\n\n")
	}
	switch {
	case c.Event != nil && c.Event.ID > last:
		s.event(*c.Event)
	case c.Progress != nil:
		s.message("progress", wire.StreamProgress{MAC: c.MAC.String(), Progress: *c.Progress})
	}
}

func (s *sse) event(e event.Event) {
	s.printf("id: %d\n", e.ID)
	s.message("event", Event(e))
}

func (s *sse) message(name string, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		s.err = err
		return
	}
	s.printf("event: %s\ndata: %s\n\n", name, raw)
}

func (s *sse) printf(format string, args ...any) {
	if s.err != nil {
		return
	}
	if _, s.err = fmt.Fprintf(s.w, format, args...); s.err == nil {
		s.err = s.flush.Flush()
	}
}
