package store

import (
	"bytes"
	"slices"

	bolt "go.etcd.io/bbolt"

	"bty/internal/machine"
)

const (
	// halfLatest is how many rows of the log are merged into facts at one go, once there are twice as many:
	// the more of them, the more neighbours share a page there.
	halfLatest = 4096
	mergeStep  = 64 // rows of facts that one step writes
	deleteStep = 256
)

// merge is the committer's work on the log. It is only in memory: what is merged again after a start comes
// to the same.
type merge struct {
	macs  []machine.MAC // still to be written into facts, in order
	upTo  uint64        // then the rows up to here are deleted; 0 while nothing is merged
	first uint64        // of the rows that are left
	due   int           // rows that were appended for which nothing was done yet
}

// step keeps the log short: for as many rows as have been appended it merges or deletes some. It is part of
// the transaction that appended them.
func (s *Store) step(tx *bolt.Tx) error {
	for s.merge.due += s.latest.appended(); s.merge.due >= mergeStep; s.merge.due -= mergeStep {
		var err error
		switch {
		case s.merge.upTo == 0:
			s.beginMerge()
		case len(s.merge.macs) > 0:
			err = s.mergeSome(tx)
		default:
			err = s.deleteSome(tx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// beginMerge takes on the older half of the log if it is long enough.
func (s *Store) beginMerge() {
	first, length := s.latest.extent()
	if length < 2*halfLatest {
		return
	}
	s.merge.first, s.merge.upTo = first, first+halfLatest-1
	s.merge.macs = s.latest.upTo(s.merge.upTo)
	slices.SortFunc(s.merge.macs, func(a, b machine.MAC) int { return bytes.Compare(a[:], b[:]) })
}

// mergeSome brings the next machines to facts. Of those that changed again meanwhile the log says more.
func (s *Store) mergeSome(tx *bolt.Tx) error {
	t := &Tx{tx: tx, store: s}
	tx.Bucket(bucketFacts).FillPercent = factsFill
	n := min(mergeStep, len(s.merge.macs))
	for _, mac := range s.merge.macs[:n] {
		raw, isLatest := t.latestFacts(mac)
		var err error
		switch {
		case raw != nil:
			err = t.putRaw(bucketFacts, mac[:], raw)
		case isLatest: // it was deleted
			err = t.delete(bucketFacts, mac[:])
		}
		if err != nil {
			return err
		}
	}
	s.merge.macs = s.merge.macs[n:]
	return nil
}

// deleteSome deletes the next rows that are merged, oldest first, so that what the log says of a machine is
// never older than its facts.
func (s *Store) deleteSome(tx *bolt.Tx) error {
	t := &Tx{tx: tx}
	for n := 0; n < deleteStep && s.merge.first <= s.merge.upTo; n++ {
		if err := t.delete(bucketLatest, latestKey(s.merge.first)); err != nil {
			return err
		}
		s.merge.first++
	}
	if s.merge.first > s.merge.upTo {
		s.merge.upTo = 0
	}
	return nil
}

// settle brings memory in line with what became of a transaction. before is what the merge was at its
// beginning.
func (s *Store) settle(committed bool, before merge) {
	s.latest.settle(committed)
	s.presentMachines.settle(committed)
	s.presentHardware.settle()
	if !committed {
		s.merge = before
		return
	}
	s.latest.prune(s.merge.first)
}
