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
	streamStall     = 30 * time.Second // how long a reader may take in nothing
)

// stream is the one live stream (WHATWG HTML, server-sent events): "event" with an ID for each
// event, "progress" for how far a live environment is, "reload" when the reader missed something.
// A reader that names the last ID it saw gets what came since. What the ledger tells only wakes
// the stream: events are read from the database, so that they come in order and without a hole.
func (c Config) stream(w http.ResponseWriter, r *http.Request) error {
	changes := c.Ledger.Subscribe(r.Context())
	s := sse{w: w, conn: http.NewResponseController(w), events: c.Events}
	missed, err := s.begin(r.Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	s.printf("retry: %d\n\n", streamRetry.Milliseconds())
	if missed {
		s.printf("event: reload\ndata: {}\n\n")
	}
	s.catchUp()
	s.flush()
	heartbeat := time.NewTicker(streamHeartbeat)
	defer heartbeat.Stop()
	for s.err == nil {
		select {
		case change, open := <-changes:
			if !open {
				return nil
			}
			s.change(change)
		case <-heartbeat.C:
			s.catchUp()
			s.printf(": still here\n\n")
			s.flush()
		case <-r.Context().Done():
			return nil
		case <-daemon.Draining(r.Context()):
			return nil
		}
	}
	return nil // the reader is gone, or comes back with the last ID it saw
}

// sse writes messages until the first error.
type sse struct {
	w      http.ResponseWriter
	conn   *http.ResponseController
	events Events
	last   event.ID // the newest event that the reader has
	err    error
}

// begin finds out where the reader is. One that was not here before gets what happens from now on;
// one that is ahead of the database saw another.
func (s *sse) begin(lastID string) (missed bool, err error) {
	newest, err := s.events.Events(event.Filter{Limit: 1})
	if err != nil {
		return false, err
	}
	if len(newest) > 0 {
		s.last = newest[0].ID
	}
	if lastID == "" {
		return false, nil
	}
	id, err := strconv.ParseUint(lastID, 10, 64)
	if err != nil || event.ID(id) > s.last {
		return true, nil
	}
	s.last = event.ID(id)
	return false, nil
}

// catchUp sends the events after the last one that was sent.
func (s *sse) catchUp() {
	if s.err != nil {
		return
	}
	var found []event.Event
	if found, s.err = s.events.Events(event.Filter{After: s.last, Limit: streamCatchUp}); len(found) == 0 {
		return
	}
	if oldest := found[len(found)-1].ID; oldest > s.last+1 {
		s.printf("event: reload\ndata: {}\n\n")
	}
	for i := len(found) - 1; i >= 0 && s.err == nil; i-- {
		s.printf("id: %d\n", found[i].ID)
		s.message("event", Event(found[i]))
		s.last = found[i].ID
	}
	s.flush()
}

func (s *sse) change(c ledger.Change) {
	switch {
	case c.Progress != nil:
		s.message("progress", wire.StreamProgress{MAC: c.MAC.String(), Progress: *c.Progress})
		s.flush()
	case c.Event.ID > s.last:
		s.catchUp()
	}
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
	if s.err == nil {
		_ = s.conn.SetWriteDeadline(time.Now().Add(streamStall)) // a server that has none writes without
		_, s.err = fmt.Fprintf(s.w, format, args...)
	}
}

func (s *sse) flush() {
	if s.err == nil {
		s.err = s.conn.Flush()
	}
}
