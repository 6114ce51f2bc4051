package lan

import "bty/internal/machine"

// perMachine bounds what waits of one machine: no more different things than any says, and few enough to
// look through for each packet.
const perMachine = 32

// queue is what waits to be sent, in the order in which it came.
type queue[T any] struct {
	items  []item[T]
	taken  int                 // so many came before the items
	latest map[machine.MAC]int // of a machine, counted from the first that ever came
}

type item[T any] struct {
	mac    machine.MAC
	before int // the one before it of the same machine, which may be taken
	value  T
}

func newQueue[T any]() queue[T] { return queue[T]{taken: 1, latest: map[machine.MAC]int{}} } // 0 is before the first

func (q *queue[T]) len() int { return len(q.items) }

// find is the machine's item that is the same; full says that the machine may have no other.
func (q *queue[T]) find(mac machine.MAC, same func(*T) bool) (value *T, full bool) {
	n := 0
	for at := q.latest[mac]; at >= q.taken; n++ {
		one := &q.items[at-q.taken]
		if same(&one.value) {
			return &one.value, false
		}
		at = one.before
	}
	return nil, n >= perMachine
}

func (q *queue[T]) add(mac machine.MAC, value T) {
	q.items = append(q.items, item[T]{mac, q.latest[mac], value})
	q.latest[mac] = q.taken + len(q.items) - 1
}

// take removes the first n.
func (q *queue[T]) take(n int) []T {
	n = min(n, len(q.items))
	values := make([]T, n)
	for i := range n {
		one := &q.items[i]
		values[i] = one.value
		if q.latest[one.mac] == q.taken+i {
			delete(q.latest, one.mac)
		}
	}
	clear(q.items[:n]) // their texts are not kept
	q.taken += n
	if q.items = q.items[n:]; len(q.items) == 0 {
		q.items = nil
	}
	return values
}
