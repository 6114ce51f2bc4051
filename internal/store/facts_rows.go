package store

import (
	"bytes"
	"errors"
	"slices"

	bolt "go.etcd.io/bbolt"

	"bty/internal/machine"
)

// The facts of a machine are in one of two buckets. What changes is written to recent, which stays
// small, so that however many machines a commit is about, its rows stand in few pages. When there
// are too many of them, the next ones in the order of their MACs move to facts: neighbours, which
// share a page there as well. A machine's row in recent is the one that counts.
const (
	maxRecent   = 2048 // rows; half of it and twice as much write more pages with 10,000 machines
	movedRows   = 64
	factsLength = 80  // bytes of a usual row
	factsFill   = 0.8 // of a page that is split: rows grow a little in their first cycle
)

// rawFacts is the row that counts, and whether it is a recent one.
func (t *Tx) rawFacts(mac machine.MAC) (raw []byte, isRecent bool) {
	if raw = t.tx.Bucket(bucketRecent).Get(mac[:]); raw != nil {
		return raw, true
	}
	return t.tx.Bucket(bucketFacts).Get(mac[:]), false
}

// hasFacts reports whether the file has facts apart; one of an older schema has not.
func (t *Tx) hasFacts() bool { return t.tx.Bucket(bucketFacts) != nil }

// complement brings the facts to the rest of a machine.
func complement(m *machine.Machine, raw []byte) error {
	if raw == nil { // to go on without them might flash it once more
		return &ValueError{string(bucketFacts), bytes.Clone(m.MAC[:]), errors.New("the machine has no facts")}
	}
	f, err := decodeFacts(m.MAC[:], raw)
	m.Facts, m.UpdatedAt = f.Facts, f.UpdatedAt
	return err
}

// putFacts stores the facts of m if they are not what is there.
func (t *Tx) putFacts(m machine.Machine, was rows) error {
	f := factsOf(m)
	raw := f.encode(make([]byte, 0, factsLength))
	if bytes.Equal(raw, was.facts) {
		return nil
	}
	if err := t.putRaw(bucketRecent, m.MAC[:], raw); err != nil || was.isRecent {
		return err
	}
	return t.count(+1)
}

// count keeps how many rows are recent, in the sequence of the bucket, and moves some if there are
// too many.
func (t *Tx) count(n int) error {
	recent := t.tx.Bucket(bucketRecent)
	rows := max(0, int(recent.Sequence())+n)
	if rows <= maxRecent {
		return recent.SetSequence(uint64(rows))
	}
	moved, err := t.move(recent)
	return errors.Join(err, recent.SetSequence(uint64(max(0, rows-moved))))
}

// move takes the next recent rows to where all others are.
func (t *Tx) move(recent *bolt.Bucket) (moved int, err error) {
	from := t.store.moved
	var keys, rows [][]byte
	cursor := recent.Cursor()
	key, raw := cursor.Seek(from[:])
	for ; key != nil && len(keys) < movedRows; key, raw = cursor.Next() {
		keys, rows = append(keys, slices.Clone(key)), append(rows, raw)
	}
	t.store.moved = machine.MAC{} // from the first on, unless there are more
	copy(t.store.moved[:], key)
	t.tx.Bucket(bucketFacts).FillPercent = factsFill
	for i, key := range keys {
		if err := t.putRaw(bucketFacts, key, rows[i]); err != nil {
			return i, err
		}
		if err := t.delete(bucketRecent, key); err != nil {
			return i, err
		}
	}
	return len(keys), nil
}

func (t *Tx) deleteFacts(mac machine.MAC) error {
	if t.tx.Bucket(bucketRecent).Get(mac[:]) != nil {
		if err := errors.Join(t.delete(bucketRecent, mac[:]), t.count(-1)); err != nil {
			return err
		}
	}
	return t.delete(bucketFacts, mac[:])
}

// factsInOrder returns what finds the facts of machines that are asked for in the order of their
// MACs: it goes along beside them.
func (t *Tx) factsInOrder() func(mac []byte) []byte {
	recent, all := inOrder(t.tx.Bucket(bucketRecent)), inOrder(t.tx.Bucket(bucketFacts))
	return func(mac []byte) []byte {
		if raw := recent(mac); raw != nil {
			return raw
		}
		return all(mac)
	}
}

func inOrder(bucket *bolt.Bucket) func(key []byte) []byte {
	cursor := bucket.Cursor()
	at, raw := cursor.First()
	return func(key []byte) []byte {
		for at != nil && bytes.Compare(at, key) < 0 {
			at, raw = cursor.Next()
		}
		if !bytes.Equal(at, key) {
			return nil
		}
		return raw
	}
}
