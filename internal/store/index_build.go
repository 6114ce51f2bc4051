package store

import (
	"context"
	"fmt"
	"slices"

	"bty/internal/event"
)

// buildChunk is how many events are read in one transaction, and how many taken in under one
// lock: both take well under a millisecond on the way of a contact.
const (
	buildChunk = 1000
	takeChunk  = 100
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
		if ctx.Err() != nil {
			return nil
		}
		before = chunk[len(chunk)-1].ID
	}
	s.events.complete(old)
	return nil
}

func (x *index) takeOld(old []row, chunk []event.Event) []row {
	for part := range slices.Chunk(chunk, takeChunk) {
		x.mu.Lock()
		for _, e := range part {
			old = append(old, x.row(e))
		}
		x.mu.Unlock()
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
	x.bound()
}
