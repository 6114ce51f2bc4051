package store

import (
	"encoding/binary"
	"time"

	"bty/internal/event"
)

// TrimEvents deletes the oldest events: those beyond the newest keep and those from before a time
// (zero does not bound), at most limit of them. It reports how many it deleted. Until the index
// knows how many events there are, and of a log that is longer than the index, keep bounds IDs.
func (t *Tx) TrimEvents(keep uint64, before time.Time, limit int) (deleted int, err error) {
	ids, err := t.oldest(t.excess(keep, limit), before, limit)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if err := t.DeleteEvent(id); err != nil {
			return deleted, err
		}
		deleted++
	}
	return deleted, nil
}

// OldestEventAt is the time of the oldest event, zero if there is none.
func (t *Tx) OldestEventAt() (time.Time, error) {
	key, raw := t.tx.Bucket(bucketEvents).Cursor().First()
	if key == nil {
		return time.Time{}, nil
	}
	var e event.Event
	err := decode(bucketEvents, key, raw, &e)
	return e.At, err
}

// excess decides which of the oldest events are too many: the first few of them, or all up to an ID.
func (t *Tx) excess(keep uint64, limit int) (tooMany func(nth int, id event.ID) bool) {
	last := uint64(t.NewestEvent())
	x := t.store.events
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.ready && x.floor == 0 && keep <= uint64(x.max) {
		excess := min(x.rows-int(keep), limit)
		return func(nth int, _ event.ID) bool { return nth < excess }
	}
	return func(_ int, id event.ID) bool { return last > keep && uint64(id) <= last-keep }
}

// oldest returns the first IDs that are too many or too old. They are gathered before anything is
// deleted: a cursor is not to be used on a bucket that changes under it.
func (t *Tx) oldest(tooMany func(int, event.ID) bool, before time.Time, limit int) (ids []event.ID, err error) {
	cursor := t.tx.Bucket(bucketEvents).Cursor()
	for key, raw := cursor.First(); key != nil && len(ids) < limit; key, raw = cursor.Next() {
		id := event.ID(binary.BigEndian.Uint64(key))
		if !tooMany(len(ids), id) {
			if before.IsZero() {
				break
			}
			var e event.Event
			if err := decode(bucketEvents, key, raw, &e); err != nil {
				return nil, err
			}
			if !e.At.Before(before) {
				break
			}
		}
		ids = append(ids, id)
	}
	return ids, nil
}
