package lan

import (
	"slices"
	"time"
)

// recent is a table that forgets the oldest when it is full.
type recent[K comparable, V any] struct {
	limit int
	rows  map[K]row[V]
}

type row[V any] struct {
	value V
	at    time.Time
}

func newRecent[K comparable, V any](limit int) recent[K, V] {
	return recent[K, V]{limit: limit, rows: map[K]row[V]{}}
}

func (r *recent[K, V]) get(key K) (V, bool) {
	one, ok := r.rows[key]
	return one.value, ok
}

// at is get with the time of what is there.
func (r *recent[K, V]) at(key K) (V, time.Time, bool) {
	one, ok := r.rows[key]
	return one.value, one.at, ok
}

// put stores value unless something newer is there.
func (r *recent[K, V]) put(key K, value V, at time.Time) {
	before, known := r.rows[key]
	if known && at.Before(before.at) {
		return
	}
	if !known && len(r.rows) >= r.limit {
		r.shrink()
	}
	r.rows[key] = row[V]{value, at}
}

// shrink drops the oldest quarter, so that a full table is not searched for each newcomer.
func (r *recent[K, V]) shrink() {
	times := make([]int64, 0, len(r.rows))
	for _, one := range r.rows {
		times = append(times, one.at.UnixNano())
	}
	slices.Sort(times)
	drop := max(1, len(times)/4)
	last := times[drop-1]
	for key, one := range r.rows { // many may be of the same moment
		if drop > 0 && one.at.UnixNano() <= last {
			delete(r.rows, key)
			drop--
		}
	}
}

func (r *recent[K, V]) since(t time.Time) []V {
	values := make([]V, 0, len(r.rows))
	for _, one := range r.rows {
		if !one.at.Before(t) {
			values = append(values, one.value)
		}
	}
	return values
}
