package lan

import (
	"fmt"
	"slices"
	"testing"

	"bty/internal/machine"
	"bty/internal/wire"
)

// What waits is found by its machine as long as it waits, and taken in the order in which it came.
func TestQueue(t *testing.T) {
	q := newQueue[string]()
	is := func(want string) func(*string) bool { return func(s *string) bool { return *s == want } }
	box := func(i int) machine.MAC { return machine.MAC{2, 0, 0, 0, 0, byte(i)} }
	for i := range 6 {
		q.add(box(i%2), fmt.Sprint(i))
	}
	if v, full := q.find(box(0), is("2")); v == nil || full {
		t.Errorf("2 is not found among a machine's")
	}
	if v, _ := q.find(box(1), is("2")); v != nil {
		t.Error("another machine's is found")
	}
	if got := q.take(3); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("taken: %v", got)
	}
	for i := range 6 {
		if v, _ := q.find(box(i%2), is(fmt.Sprint(i))); (v != nil) != (i > 2) {
			t.Errorf("%d: found %v", i, v != nil)
		}
	}
	q.add(box(0), "6")
	if got := q.take(100); !slices.Equal(got, []string{"3", "4", "5", "6"}) || q.len() != 0 || len(q.latest) != 0 {
		t.Errorf("taken: %v, left %d, %d machines", got, q.len(), len(q.latest))
	}
	q.add(box(0), "7")
	if got := q.take(1); !slices.Equal(got, []string{"7"}) {
		t.Errorf("taken: %v", got)
	}
}

// A machine that says ever something else takes no room from others, and no time.
func TestOneMachineIsBounded(t *testing.T) {
	b := NewBatch()
	for i := range 10 * perMachine {
		b.Request(wire.Sighting{At: start, MAC: box, Class: fmt.Sprint(i), Count: 1})
	}
	if b.requests.len() != perMachine || b.Lost() != 9*perMachine {
		t.Errorf("%d wait, %d lost", b.requests.len(), b.Lost())
	}
	b.Request(wire.Sighting{At: start, MAC: box, Class: "0", Count: 1})
	b.Request(wire.Sighting{At: start, MAC: other, Class: "0", Count: 1})
	if o := b.Take(100); len(o.Sightings) != perMachine+1 || o.Sightings[0].Count != 2 {
		t.Errorf("%d taken, the first counts %d", len(o.Sightings), o.Sightings[0].Count)
	}
}

// What was put in last is there, as many as half of the limit, and never more than the limit.
func TestLately(t *testing.T) {
	l := newLately[int, int](10)
	for i := range 100 {
		l.put(i, -i)
		for j := max(0, i-4); j <= i; j++ {
			if v, known := l.get(j); !known || v != -j {
				t.Fatalf("after %d, %d is forgotten", i, j)
			}
		}
		if l.len() > 10 {
			t.Fatalf("after %d, %d are kept", i, l.len())
		}
	}
}
