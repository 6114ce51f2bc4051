package lan

// lately is a table of what was put in last, limit at most and half of that at least. Of its two halves the
// older is dropped as a whole, so that forgetting costs little, however fast it goes.
type lately[K comparable, V any] struct {
	limit      int
	young, old map[K]V
}

func newLately[K comparable, V any](limit int) lately[K, V] {
	return lately[K, V]{limit: limit, young: map[K]V{}, old: map[K]V{}}
}

func (l *lately[K, V]) get(key K) (value V, known bool) {
	if value, known = l.young[key]; !known {
		value, known = l.old[key]
	}
	return value, known
}

func (l *lately[K, V]) put(key K, value V) {
	if len(l.young) >= l.limit/2 {
		l.young, l.old = l.old, l.young
		clear(l.young)
	}
	l.young[key] = value
}

func (l *lately[K, V]) len() int { return len(l.young) + len(l.old) }
