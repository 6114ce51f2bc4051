package live

import (
	"sync"

	"bty/internal/event"
)

// maxRounds is how many rounds are kept for readers that are behind: some ten seconds.
const maxRounds = 64

// round is what all readers of a topic are told together, encoded.
type round struct {
	upTo   event.ID // the newest event that it tells, or passes over
	events []byte   // a message for each event
	ids    []event.ID
	ends   []int  // of each message in events
	crowd  []byte // instead of the messages: there were too many, or not all of them are there any more
	rest   []byte // messages that are no events
}

// after is what a reader gets that has the events up to an ID.
func (r *round) after(last event.ID) (events []byte) {
	if r.crowd != nil && r.upTo > last {
		events = r.crowd
	}
	begin := 0
	for i, id := range r.ids {
		if id > last {
			return append(events[:len(events):len(events)], r.events[begin:]...)
		}
		begin = r.ends[i]
	}
	return events
}

// topic keeps the newest rounds. Readers take them when they can; one that is too far behind
// misses some and is told so.
type topic struct {
	mu      sync.Mutex
	rounds  [maxRounds]round
	next    uint64   // number of the next round
	upTo    event.ID // of the newest round
	changed chan struct{}
}

func newTopic(upTo event.ID) *topic { return &topic{upTo: upTo, changed: make(chan struct{})} }

func (t *topic) publish(r round) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rounds[t.next%maxRounds] = r
	t.next++
	t.upTo = max(t.upTo, r.upTo)
	close(t.changed)
	t.changed = make(chan struct{})
}

// end is where a reader begins that wants what comes from now on.
func (t *topic) end() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next
}

// since returns the rounds from one on, where to go on, and what to wait for after that. A reader
// that is too far behind gets none, and upTo says what it has missed.
func (t *topic) since(from uint64) (rounds []round, next uint64, upTo event.ID, missed bool, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next-from > maxRounds {
		return nil, t.next, t.upTo, true, t.changed
	}
	for n := from; n < t.next; n++ {
		rounds = append(rounds, t.rounds[n%maxRounds])
	}
	return rounds, t.next, t.upTo, false, t.changed
}
