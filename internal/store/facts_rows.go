package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"

	bolt "go.etcd.io/bbolt"

	"bty/internal/machine"
)

const (
	factsLength = 80  // bytes of a usual row
	factsFill   = 0.8 // of a page that is split: rows grow a little in their first cycle
)

var errNoRow = errors.New("it is no row of facts")

// hasFacts reports whether the file has facts apart; one of an older schema has not.
func (t *Tx) hasFacts() bool { return t.tx.Bucket(bucketFacts) != nil }

// rawFacts is the row that counts of a machine, nil without one.
func (t *Tx) rawFacts(mac machine.MAC) []byte {
	if raw, isLatest := t.latestFacts(mac); isLatest {
		return raw
	}
	return t.tx.Bucket(bucketFacts).Get(mac[:])
}

// latestFacts is what the log says of a machine, if it says anything.
func (t *Tx) latestFacts(mac machine.MAC) (raw []byte, found bool) {
	log := t.latestLog()
	if log == nil { // of schema 3
		raw = t.tx.Bucket(bucketRecent).Get(mac[:])
		return raw, raw != nil
	}
	if t.latest == nil {
		raw, found, sure := t.store.latest.at(mac, t.firstLatest(log), log.Sequence())
		if sure {
			return raw, found
		}
		t.readLog(log)
	}
	raw, found = t.latest[mac]
	return raw, found
}

// latestLog is the log of facts. bbolt looks a bucket up anew for each who asks.
func (t *Tx) latestLog() *bolt.Bucket {
	if t.tx.Writable() {
		return t.tx.Bucket(bucketLatest)
	}
	if t.log == nil {
		t.log = t.tx.Bucket(bucketLatest)
	}
	return t.log
}

// firstLatest is where the log of this snapshot begins. The committer's is never behind what is in memory.
func (t *Tx) firstLatest(log *bolt.Bucket) uint64 {
	if t.tx.Writable() {
		return math.MaxUint64
	}
	if t.first == 0 {
		t.first = log.Sequence() + 1
		if key, _ := log.Cursor().First(); len(key) == 8 {
			t.first = binary.BigEndian.Uint64(key)
		}
	}
	return t.first
}

// readLog reads the whole log, for a snapshot that is older than what is in memory.
func (t *Tx) readLog(log *bolt.Bucket) {
	t.latest = map[machine.MAC][]byte{}
	_ = log.ForEach(func(key, raw []byte) error {
		mac, facts, err := readLatest(key, raw)
		if err != nil {
			facts = []byte{} // which is refused when it is read
		}
		t.latest[mac] = facts
		return nil
	})
}

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
	return t.appendLatest(m.MAC, raw)
}

// appendLatest says what counts of a machine from now on.
func (t *Tx) appendLatest(mac machine.MAC, facts []byte) error {
	log := t.tx.Bucket(bucketLatest)
	log.FillPercent = 0.95 // keys only ever grow
	t.wrote = true
	sequence, err := log.NextSequence()
	if err != nil {
		return err
	}
	if err := t.putRaw(bucketLatest, latestKey(sequence), latestRow(mac, facts)); err != nil {
		return err
	}
	t.store.latest.add(mac, sequence, facts)
	t.store.presentMachines.facts[mac] = facts
	return nil
}

// deleteFacts leaves no facts of a machine. What the log says of it has to be taken back there.
func (t *Tx) deleteFacts(mac machine.MAC) error {
	if _, isLatest := t.latestFacts(mac); isLatest {
		if err := t.appendLatest(mac, nil); err != nil {
			return err
		}
	}
	return t.delete(bucketFacts, mac[:])
}

// factsInOrder returns what finds the facts of machines that are asked for in the order of their
// MACs: it goes along beside them.
func (t *Tx) factsInOrder() func(mac machine.MAC) []byte {
	cursor := t.tx.Bucket(bucketFacts).Cursor()
	at, raw := cursor.First()
	return func(mac machine.MAC) []byte {
		for at != nil && bytes.Compare(at, mac[:]) < 0 {
			at, raw = cursor.Next()
		}
		if changed, isLatest := t.latestFacts(mac); isLatest {
			return changed
		}
		if !bytes.Equal(at, mac[:]) {
			return nil
		}
		return raw
	}
}

func latestKey(sequence uint64) []byte { return binary.BigEndian.AppendUint64(nil, sequence) }
