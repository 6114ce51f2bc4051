package store

import (
	"bytes"
	"slices"
	"time"

	"bty/internal/catalog"
)

// maxDropped is how many deleted entries are remembered; the oldest are forgotten first.
const maxDropped = 10_000

// Dropped reports whether the operator deleted the entry, so that a file may not bring it back.
func (t *Tx) Dropped(ref catalog.ImageRef) (bool, error) {
	var at time.Time
	return t.get(bucketDropped, ref[:], &at)
}

// PutDropped remembers that the entry was deleted.
func (t *Tx) PutDropped(ref catalog.ImageRef, at time.Time) error {
	if err := t.trimDropped(); err != nil {
		return err
	}
	return t.put(bucketDropped, ref[:], at)
}

// DeleteDropped forgets that the entry was deleted: somebody wants it again.
func (t *Tx) DeleteDropped(ref catalog.ImageRef) error {
	if t.tx.Bucket(bucketDropped).Get(ref[:]) == nil {
		return nil
	}
	return t.delete(bucketDropped, ref[:])
}

// trimDropped makes room for one more.
func (t *Tx) trimDropped() error {
	bucket := t.tx.Bucket(bucketDropped)
	if bucket.Stats().KeyN < maxDropped {
		return nil
	}
	type row struct {
		key []byte
		at  time.Time
	}
	var rows []row
	err := bucket.ForEach(func(key, raw []byte) error {
		r := row{key: bytes.Clone(key)}
		rows = append(rows, r)
		return decode(bucketDropped, key, raw, &rows[len(rows)-1].at)
	})
	if err != nil {
		return err
	}
	slices.SortFunc(rows, func(a, b row) int { return a.at.Compare(b.at) })
	for _, r := range rows[:len(rows)-maxDropped+1] {
		if err := t.delete(bucketDropped, r.key); err != nil {
			return err
		}
	}
	return nil
}
