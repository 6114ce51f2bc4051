package store

import (
	"encoding/binary"

	bolt "go.etcd.io/bbolt"

	"bty/internal/event"
)

// AppendEvent stores e as the newest event and gives it its ID.
func (t *Tx) AppendEvent(e *event.Event) error {
	bucket := t.tx.Bucket(bucketEvents)
	t.wrote = true
	id, err := bucket.NextSequence()
	if err != nil {
		return err
	}
	bucket.FillPercent = 0.95 // keys only ever grow: leave no room in a page that is full
	e.ID = event.ID(id)
	return t.put(bucketEvents, eventKey(e.ID), e)
}

// Event returns one event, and whether there is one with this ID.
func (t *Tx) Event(id event.ID) (e event.Event, found bool, err error) {
	found, err = t.get(bucketEvents, eventKey(id), &e)
	return e, found, err
}

// PutEvent stores e in place of the event with its ID.
func (t *Tx) PutEvent(e event.Event) error { return t.put(bucketEvents, eventKey(e.ID), e) }

// Events returns what the filter selects, newest first.
func (t *Tx) Events(f event.Filter) ([]event.Event, error) {
	var found []event.Event
	err := t.EachEventBack(f.Before, func(e event.Event) (bool, error) {
		if e.ID <= f.After {
			return false, nil
		}
		if f.Match(e) {
			found = append(found, e)
		}
		return f.Limit == 0 || len(found) < f.Limit, nil
	})
	return found, err
}

// EachEventBack calls fn for the events before an ID (0: all), newest first, until it returns false.
func (t *Tx) EachEventBack(before event.ID, fn func(event.Event) (bool, error)) error {
	cursor := t.tx.Bucket(bucketEvents).Cursor()
	key, raw := cursor.Last()
	if before != 0 {
		if key, raw = cursor.Seek(eventKey(before)); key == nil {
			key, raw = cursor.Last()
		}
		if key != nil && event.ID(binary.BigEndian.Uint64(key)) >= before {
			key, raw = cursor.Prev()
		}
	}
	for ; key != nil; key, raw = cursor.Prev() {
		var e event.Event
		if err := decode(bucketEvents, key, raw, &e); err != nil {
			return err
		}
		if more, err := fn(e); err != nil || !more {
			return err
		}
	}
	return nil
}

// TrimEvents deletes the oldest events beyond the newest keep, at most limit of them, and
// reports how many it deleted.
func (t *Tx) TrimEvents(keep, limit uint64) (deleted uint64, err error) {
	bucket := t.tx.Bucket(bucketEvents)
	last := bucket.Sequence()
	if last <= keep {
		return 0, nil
	}
	for _, id := range oldest(bucket, last-keep, limit) {
		if err := t.delete(bucketEvents, eventKey(id)); err != nil {
			return deleted, err
		}
		deleted++
	}
	return deleted, nil
}

// oldest returns the first IDs up to and including last, at most limit. They are gathered before
// anything is deleted: a cursor is not to be used on a bucket that changes under it.
func oldest(bucket *bolt.Bucket, last, limit uint64) []event.ID {
	var ids []event.ID
	cursor := bucket.Cursor()
	for key, _ := cursor.First(); key != nil && uint64(len(ids)) < limit; key, _ = cursor.Next() {
		id := binary.BigEndian.Uint64(key)
		if id > last {
			break
		}
		ids = append(ids, event.ID(id))
	}
	return ids
}

func eventKey(id event.ID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }
