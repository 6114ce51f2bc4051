package live

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"bty/internal/daemon"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/web/serve"
)

const (
	retry     = 2 * time.Second  // how soon a reader comes back after a break
	heartbeat = 15 * time.Second // so that a proxy does not take silence for death
	catchUp   = 1000             // events that a reader who was away is sent at most
	stall     = 30 * time.Second // how long a reader may take in nothing
)

// reader is one open stream.
type reader struct {
	w     http.ResponseWriter
	r     *http.Request
	conn  *http.ResponseController
	guard serve.Guard
}

// reading counts the readers and lets no more in than there is room for.
func (l *Live) reading(guard serve.Guard, h func(reader) error) serve.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if l.readers.Add(1) > maxReaders {
			l.readers.Add(-1)
			return fault.New(fault.Unavailable, "%d live streams are open, the most there can be; close some pages and try again", maxReaders)
		}
		defer l.readers.Add(-1)
		return h(reader{w, r, http.NewResponseController(w), guard})
	}
}

// begin sends the head of the answer.
func (r reader) begin() {
	h := r.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would keep messages back
}

// send writes and flushes. Its error says that the reader is gone, or takes in nothing.
func (r reader) send(parts ...[]byte) error {
	_ = r.conn.SetWriteDeadline(time.Now().Add(stall)) // a server that has none writes without
	for _, b := range parts {
		if _, err := r.w.Write(b); err != nil {
			return err
		}
	}
	return r.conn.Flush()
}

// follow gives a reader what comes in a topic, from a round on, until it is gone, the server stops
// or it may not read any more. The reader comes back by itself, with the last ID that it saw.
func (r reader) follow(t *topic, from uint64, tell func(rounds []round, upTo event.ID, missed bool) []byte) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		rounds, next, upTo, missed, changed := t.since(from)
		from = next
		if len(rounds) > 0 || missed {
			if b := tell(rounds, upTo, missed); len(b) > 0 && r.send(b) != nil {
				return
			}
		}
		select {
		case <-changed:
		case <-beat.C:
			if r.guard(r.r) != nil || r.send([]byte(": still here\n\n")) != nil {
				return
			}
		case <-r.r.Context().Done():
			return
		case <-daemon.Draining(r.r.Context()):
			return
		}
	}
}

// streamAll is the one stream that a page needs: "event" with an ID for each event, "progress" for
// how far a live environment is, "worker" for long work, "hint" for what has changed, "reload" when
// the reader missed something. A reader that names the last ID it saw gets what came since.
func (l *Live) streamAll(r reader) error {
	from := l.all.end() // before the log is read: what comes meanwhile is in both, and told once
	// A browser names the ID only when it comes back. A page names in ?after= the one it was made at.
	last, missed, err := l.resume(cmp.Or(r.r.Header.Get("Last-Event-ID"), r.r.URL.Query().Get("after")))
	if err != nil {
		return err
	}
	r.begin()
	if r.send(fmt.Appendf(nil, "retry: %d\n\n", retry.Milliseconds()), missed) != nil {
		return nil
	}
	r.follow(l.all, from, func(rounds []round, upTo event.ID, missed bool) (b []byte) {
		if missed {
			last = upTo
			return reload(upTo)
		}
		for i := range rounds {
			b = append(b, rounds[i].after(last)...)
			b = append(b, rounds[i].rest...)
			last = max(last, rounds[i].upTo)
		}
		return b
	})
	return nil
}

// resume says from where on a reader is told, and what it missed. One that was not here before gets
// what happens from now on; one that is ahead of the database saw another.
func (l *Live) resume(lastID string) (last event.ID, missed []byte, err error) {
	newest, err := l.Log.Newest()
	if err != nil || lastID == "" {
		return newest, nil, err
	}
	id, err := strconv.ParseUint(lastID, 10, 64)
	last = event.ID(id)
	if err != nil || last > newest || newest-last > catchUp {
		return newest, reload(newest), nil
	}
	found, err := l.Log.Events(event.Filter{After: last, Before: newest + 1})
	if err != nil {
		return newest, nil, err
	}
	if len(found) < int(newest-last) { // folded or deleted since
		missed = reload(0)
	}
	messages, _, _ := encodeEvents(found)
	return newest, append(missed, messages...), nil
}

// streamWorkers is the stream of long work alone, as it always was.
func (l *Live) streamWorkers(r reader) error {
	from := l.workers.end()
	r.begin()
	if r.send() != nil {
		return nil
	}
	r.follow(l.workers, from, func(rounds []round, _ event.ID, _ bool) (b []byte) {
		for i := range rounds {
			b = append(b, rounds[i].rest...)
		}
		return b
	})
	return nil
}

// streamPages is the stream of parts of the pages: all of them at once, and again when something in
// them has changed.
func (l *Live) streamPages(r reader) error {
	from := l.pages.end()
	now, err := l.fragments(r.r.Context())
	if err != nil {
		return err
	}
	r.begin()
	if r.send(now) != nil {
		return nil
	}
	r.follow(l.pages, from, func(rounds []round, _ event.ID, _ bool) []byte {
		if len(rounds) == 0 {
			return nil // it missed some: the next ones show everything
		}
		return rounds[len(rounds)-1].rest
	})
	return nil
}
