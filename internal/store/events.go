package store

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"time"

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
	return t.PutEvent(*e)
}

// Event returns one event, and whether there is one with this ID.
func (t *Tx) Event(id event.ID) (e event.Event, found bool, err error) {
	found, err = t.get(bucketEvents, eventKey(id), &e)
	return e, found, err
}

// PutEvent stores e in place of the event with its ID.
func (t *Tx) PutEvent(e event.Event) error {
	t.changes = append(t.changes, change{e.ID, &e})
	return t.put(bucketEvents, eventKey(e.ID), e)
}

// DeleteEvent removes the event with this ID, if there is one.
func (t *Tx) DeleteEvent(id event.ID) error {
	t.changes = append(t.changes, change{id, nil})
	return t.delete(bucketEvents, eventKey(id))
}

// NewestEvent is the ID of the event that was appended last, 0 if none ever was.
func (t *Tx) NewestEvent() event.ID { return event.ID(t.tx.Bucket(bucketEvents).Sequence()) }

// Events returns what the filter selects, newest first.
func (t *Tx) Events(f event.Filter) ([]event.Event, error) {
	if !f.Selective() && f.Skip == 0 || !t.canSearch() {
		return t.scan(f)
	}
	var found []event.Event
	w := t.store.events.want(f)
	for before := f.Before; ; {
		missing := 0
		if f.Limit > 0 {
			missing = f.Limit - len(found)
		}
		ids, floor, ready := t.store.events.search(w, f, before, &f.Skip, missing)
		if !ready { // the index was there a moment ago: it never goes again
			return nil, fmt.Errorf("the index of the events is gone")
		}
		for _, id := range ids {
			e, is, err := t.Event(id)
			if err != nil {
				return nil, err
			}
			if is && f.Match(e) {
				found = append(found, e)
			}
		}
		switch {
		case f.Limit > 0 && len(found) == f.Limit:
			return found, nil
		case f.Limit == 0 || len(ids) < missing: // the index has no more
			return t.below(f, floor, found)
		}
		before = ids[len(ids)-1]
	}
}

// canSearch reports whether the index may answer. A transaction that writes reads the file: the
// index knows nothing of what it wrote.
func (t *Tx) canSearch() bool {
	return !t.tx.Writable() && t.store.events != nil && t.store.events.isReady()
}

// below adds what the filter selects among the events that are too old for the index.
func (t *Tx) below(f event.Filter, floor event.ID, found []event.Event) ([]event.Event, error) {
	if floor <= f.After {
		return found, nil
	}
	if f.Before == 0 || f.Before > floor+1 {
		f.Before = floor + 1
	}
	if f.Limit > 0 {
		f.Limit -= len(found)
	}
	older, err := t.scan(f)
	return append(found, older...), err
}

// scan reads all events from the newest on.
func (t *Tx) scan(f event.Filter) ([]event.Event, error) {
	var found []event.Event
	err := t.EachEventBack(f.Before, func(e event.Event) (bool, error) {
		switch {
		case e.ID <= f.After:
			return false, nil
		case !f.Match(e):
		case f.Skip > 0:
			f.Skip--
		default:
			found = append(found, e)
		}
		return f.Limit == 0 || len(found) < f.Limit, nil
	})
	return found, err
}

// CountEvents is how many events the filter selects, page bounds aside. Of a log with more than
// a million events it counts the newest million.
func (t *Tx) CountEvents(f event.Filter) (n int, err error) {
	f.Skip, f.Limit = 0, 0
	if alarms, ready := t.alarms(); ready && f == (event.Filter{AlarmsOnly: true, UnacknowledgedOnly: true}) {
		return alarms, nil
	}
	if !t.canSearch() {
		found, err := t.scan(f)
		return len(found), err
	}
	w := t.store.events.want(f)
	t.store.events.back(f.Before, func(r *row) bool {
		if r.id > f.After && w.match(r) {
			n++
		}
		return r.id > f.After
	})
	return n, nil
}

// EachBrief calls fn with the events before an ID (0: all), newest first, until it returns false.
// It reads no file, and reports whether it could: shortly after the start it cannot yet. fn must
// be quick and must not ask for events itself.
func (t *Tx) EachBrief(before event.ID, fn func(event.Brief) bool) (ready bool) {
	x := t.store.events
	if x == nil { // a copy has none
		return false
	}
	_, ready = x.back(before, func(r *row) bool {
		if r.flags&flagGap != 0 {
			return true
		}
		return fn(event.Brief{ID: r.id, At: time.UnixMicro(r.at), Kind: event.Kind(x.words.texts[r.words[wordKind]]),
			SubjectID: x.words.texts[r.words[wordSubject]], Acknowledged: r.flags&flagAcknowledged != 0})
	})
	return ready
}

// alarms is how many events ask for the operator's attention and were not acknowledged.
func (t *Tx) alarms() (n int, ready bool) {
	if !t.canSearch() {
		return 0, false
	}
	t.store.events.mu.RLock()
	defer t.store.events.mu.RUnlock()
	return t.store.events.alarms, t.store.events.floor == 0
}

// yieldEvery is after how many decoded values a long read lets others run. The scheduler takes a
// processor away only after 10 ms, and a contact changes hands several times: beside a reader that
// never yields it would take a tenth of a second.
const yieldEvery = 16

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
	for n := 1; key != nil; key, raw = cursor.Prev() {
		if n++; n%yieldEvery == 0 {
			runtime.Gosched()
		}
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

func eventKey(id event.ID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }
