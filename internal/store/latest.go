package store

import (
	"bytes"
	"encoding/binary"
	"sync"

	bolt "go.etcd.io/bbolt"

	"bty/internal/machine"
)

// The facts of a machine change with most of its contacts, and the machines that ask in one moment are
// neighbours nowhere. So each change is a row at the end of a log, where those of a commit share a page or
// two: the newest of a machine counts, before its row in facts. The committer merges the older half of the
// log into facts from time to time, in the order of their MACs, and deletes it then.

// latest is what the log holds, in memory: what is read of it never touches the file.
type latest struct {
	mu    sync.RWMutex
	rows  map[machine.MAC][]logged // of a machine, oldest first
	order []machine.MAC            // of the rows, oldest first
	first uint64                   // sequence of the oldest
	fresh int                      // of the newest rows, how many are not committed
}

// logged is one row of the log; the facts of a machine that was deleted are nil.
type logged struct {
	sequence uint64
	facts    []byte
}

func newLatest() *latest { return &latest{rows: map[machine.MAC][]logged{}, first: 1} }

// at is what counted of a machine when the log ended with a sequence. It is not sure of a snapshot whose log
// began before what is known here.
func (l *latest) at(mac machine.MAC, first, last uint64) (facts []byte, found, sure bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if first < l.first {
		return nil, false, false
	}
	rows := l.rows[mac]
	for i := len(rows) - 1; i >= 0; i-- {
		if rows[i].sequence <= last {
			return rows[i].facts, true, true
		}
	}
	return nil, false, true
}

// add takes in a row before it is committed: no snapshot that there is reaches up to it.
func (l *latest) add(mac machine.MAC, sequence uint64, facts []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.order) == 0 {
		l.first = sequence
	}
	l.rows[mac] = append(l.rows[mac], logged{sequence, facts})
	l.order = append(l.order, mac)
	l.fresh++
}

// settle says what became of the rows that were not committed.
func (l *latest) settle(committed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ; l.fresh > 0 && !committed; l.fresh-- {
		end := len(l.order) - 1
		mac := l.order[end]
		l.order = l.order[:end]
		l.keep(mac, l.rows[mac][:len(l.rows[mac])-1])
	}
	l.fresh = 0
}

// prune forgets the rows before one, once they are in facts and deleted on disk. Until then they are
// right for every snapshot: what is in facts says the same.
func (l *latest) prune(first uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ; l.first < first && len(l.order) > 0; l.first++ {
		mac := l.order[0]
		l.order = l.order[1:]
		l.keep(mac, l.rows[mac][1:])
	}
}

// appended is how many rows are not committed.
func (l *latest) appended() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.fresh
}

// extent is where the log begins, and how many rows it has.
func (l *latest) extent() (first uint64, length int) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.first, len(l.order)
}

func (l *latest) keep(mac machine.MAC, rows []logged) {
	if len(rows) == 0 {
		delete(l.rows, mac)
		return
	}
	l.rows[mac] = rows
}

// upTo are the machines whose last row is not beyond a sequence, in order.
func (l *latest) upTo(sequence uint64) (macs []machine.MAC) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for mac, rows := range l.rows {
		if rows[len(rows)-1].sequence <= sequence {
			macs = append(macs, mac)
		}
	}
	return macs
}

// A row is the version, the MAC and the facts as they stand in their own bucket.
const latestFacts = 1 + len(machine.MAC{})

func latestRow(mac machine.MAC, facts []byte) []byte {
	row := append(make([]byte, 0, latestFacts+len(facts)), valueVersion)
	return append(append(row, mac[:]...), facts...)
}

// readLatest takes a row apart. The facts are part of it.
func readLatest(key, raw []byte) (mac machine.MAC, facts []byte, err error) {
	if len(key) != 8 || len(raw) < latestFacts || raw[0] != valueVersion {
		return mac, nil, &ValueError{string(bucketLatest), bytes.Clone(key), errNoRow}
	}
	copy(mac[:], raw[1:])
	if len(raw) > latestFacts {
		facts = raw[latestFacts:]
	}
	return mac, facts, nil
}

// load reads the log, as it is in a transaction.
func (l *latest) load(log *bolt.Bucket) error {
	return log.ForEach(func(key, raw []byte) error {
		mac, facts, err := readLatest(key, raw)
		if err != nil {
			return err
		}
		l.add(mac, binary.BigEndian.Uint64(key), bytes.Clone(facts))
		l.fresh = 0
		return nil
	})
}

// loadLatest reads the log of a file that was opened, if it has one.
func (s *Store) loadLatest() error {
	s.latest = newLatest()
	return s.View(func(t *Tx) error {
		log := t.tx.Bucket(bucketLatest)
		if log == nil {
			return nil
		}
		s.latest.first = log.Sequence() + 1
		return s.latest.load(log)
	})
}
