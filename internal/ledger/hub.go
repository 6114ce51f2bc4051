package ledger

import (
	"context"
	"sync"

	"bty/internal/event"
	"bty/internal/machine"
	"bty/internal/wire"
)

// subscriberQueue is how many changes a subscriber may be behind before it misses some.
const subscriberQueue = 64

// Change is one thing that happened: an event, or progress that is no event.
type Change struct {
	Event    *event.Event
	MAC      machine.MAC // of Progress
	Progress *wire.Progress
	Lost     bool // changes before this one were dropped: read everything again
}

type hub struct {
	mu   sync.Mutex
	subs map[chan Change]*bool // whether the subscriber has missed changes
}

func newHub() *hub { return &hub{subs: map[chan Change]*bool{}} }

func (h *hub) subscribe(ctx context.Context) <-chan Change {
	ch := make(chan Change, subscriberQueue)
	h.mu.Lock()
	h.subs[ch] = new(bool)
	h.mu.Unlock()
	context.AfterFunc(ctx, func() {
		h.mu.Lock()
		delete(h.subs, ch)
		close(ch)
		h.mu.Unlock()
	})
	return ch
}

// publish never waits: a slow reader loses changes, not the fleet its time.
func (h *hub) publish(c Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ch, behind := range h.subs {
		c.Lost = *behind
		select {
		case ch <- c:
			*behind = false
		default:
			*behind = true
		}
	}
}
