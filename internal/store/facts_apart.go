package store

import (
	bolt "go.etcd.io/bbolt"

	"bty/internal/machine"
)

// factsApart gives the facts of each machine a row of their own. In schema 3 those that changed last stood
// in a bucket recent.
func factsApart(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketFacts, bucketRecent} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	tx.Bucket(bucketFacts).FillPercent = factsFill
	t := &Tx{tx: tx}
	all, err := t.wholeMachines()
	if err != nil {
		return err
	}
	for _, m := range all {
		f := factsOf(m)
		if err := t.putRaw(bucketFacts, m.MAC[:], f.encode(nil)); err != nil {
			return err
		}
		if err := t.putSettled(m); err != nil {
			return err
		}
	}
	return nil
}

// wholeMachines reads what files held before facts had rows of their own. A bucket is not to be
// changed while it is walked, so they are returned.
func (t *Tx) wholeMachines() (all []machine.Machine, err error) {
	err = t.tx.Bucket(bucketMachines).ForEach(func(key, raw []byte) error {
		var m machine.Machine
		err := decode(bucketMachines, key, raw, &m)
		all = append(all, m)
		return err
	})
	return all, err
}

// factsLogged gives what changes of facts a log, and brings what was recent to where all others are.
func factsLogged(tx *bolt.Tx) error {
	log, err := tx.CreateBucketIfNotExists(bucketLatest)
	if err != nil {
		return err
	}
	if err := log.SetSequence(0); err != nil {
		return err
	}
	facts := tx.Bucket(bucketFacts)
	facts.FillPercent = factsFill
	if err := tx.Bucket(bucketRecent).ForEach(facts.Put); err != nil {
		return err
	}
	return tx.DeleteBucket(bucketRecent)
}
