package store

import (
	"cmp"
	"slices"

	"bty/internal/catalog"
)

// Image returns the catalog entry with this identity, and whether there is one.
func (t *Tx) Image(ref catalog.ImageRef) (e catalog.Entry, found bool, err error) {
	d, err := recall(t, &t.store.images, bucketImages, ref, ref[:])
	if d == nil {
		return e, false, err
	}
	return d.value, true, nil
}

// PutImage stores e in place of what was there.
func (t *Tx) PutImage(e catalog.Entry) error { return t.put(bucketImages, e.Ref[:], e) }

// DeleteImage removes the entry.
func (t *Tx) DeleteImage(ref catalog.ImageRef) error { return t.delete(bucketImages, ref[:]) }

// Images lists the catalog in the order in which its entries were added.
func (t *Tx) Images() ([]catalog.Entry, error) {
	var entries []catalog.Entry
	err := t.tx.Bucket(bucketImages).ForEach(func(key, raw []byte) error {
		var e catalog.Entry
		if err := decode(bucketImages, key, raw, &e); err != nil {
			return err
		}
		entries = append(entries, e)
		return nil
	})
	slices.SortFunc(entries, func(a, b catalog.Entry) int {
		return cmp.Or(a.AddedAt.Compare(b.AddedAt), cmp.Compare(a.Src, b.Src))
	})
	return entries, err
}
