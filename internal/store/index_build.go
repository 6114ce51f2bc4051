package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bty/internal/event"
)

const (
	// buildChunk is how many events are read in one transaction and taken in under one lock: well
	// under a millisecond, which is what a contact may have to wait.
	buildChunk = 100
	// buildPause is between chunks. It has to be a sleep: while goroutines are busy on all
	// processors, the scheduler looks for input from the network every 10 ms only, and a contact
	// needs several looks.
	buildPause = time.Millisecond
)

// Index reads the events that were there when the file was opened, newest first, so that filters
// need not. It works beside the requests and ends when that is done.
func (s *Store) Index(ctx context.Context) error {
	var old []row // newest first
	before := s.events.begin + 1
	for {
		var chunk []event.Event
		err := s.View(func(tx *Tx) error {
			return tx.EachEventBack(before, func(e event.Event) (bool, error) {
				e.Details = nil
				chunk = append(chunk, e)
				return len(chunk) < buildChunk, nil
			})
		})
		if err != nil {
			return fmt.Errorf("read the events for their index: %w", err)
		}
		old = s.events.takeOld(old, chunk)
		if len(chunk) < buildChunk || len(old) >= s.events.max {
			break
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(buildPause):
		}
		before = chunk[len(chunk)-1].ID
	}
	s.events.complete(old)
	return nil
}

// Searchable is closed once filters no longer read all events that there are.
func (s *Store) Searchable() <-chan struct{} { return s.events.whole }

func (x *index) takeOld(old []row, chunk []event.Event) []row {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range chunk {
		old = append(old, x.row(e))
	}
	return old
}

// complete puts the old rows, newest first, before those of the commits since, and makes good what
// happened to them meanwhile.
func (x *index) complete(old []row) {
	slices.Reverse(old)
	var blocks []*block
	for part := range slices.Chunk(old, x.blockRows) {
		blocks = append(blocks, &block{rows: slices.Clone(part)})
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.blocks = append(blocks, x.blocks...)
	if len(old) >= x.max {
		x.floor = old[0].id - 1
	}
	for id, e := range x.touched {
		x.set(change{id, e})
	}
	x.touched, x.ready = nil, true
	close(x.whole)
	x.bound()
}
