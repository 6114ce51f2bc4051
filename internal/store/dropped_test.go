package store

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"testing"
	"time"

	"bty/internal/catalog"
)

func TestDropped(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "bty.db"))
	ref := func(n int) (r catalog.ImageRef) { binary.BigEndian.PutUint64(r[:], uint64(n)); return r }
	begun := time.Now()
	at := func(n int) time.Time { return begun.Add(-time.Duration(n) * time.Second) }
	update := func(fn func(*Tx) error) {
		t.Helper()
		if err := s.Update(context.Background(), fn); err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx *Tx) error {
		for n := range maxDropped - 1 {
			if err := tx.put(bucketDropped, append([]byte(nil), func() []byte { r := ref(n); return r[:] }()...), at(n)); err != nil {
				return err
			}
		}
		return nil
	})
	update(func(tx *Tx) error { return tx.PutDropped(ref(maxDropped), begun) })
	update(func(tx *Tx) error { return tx.PutDropped(ref(maxDropped+1), begun) })
	for n, want := range map[int]bool{0: true, maxDropped - 3: true, maxDropped - 2: false, maxDropped: true, maxDropped + 1: true} {
		err := s.View(func(tx *Tx) error {
			got, err := tx.Dropped(ref(n))
			if got != want {
				t.Errorf("%d is remembered: %v", n, got)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx *Tx) error { return tx.DeleteDropped(ref(0)) })
	update(func(tx *Tx) error { return tx.DeleteDropped(ref(0)) }) // there is none any more
	_ = s.View(func(tx *Tx) error {
		if got, err := tx.Dropped(ref(0)); got || err != nil {
			t.Errorf("%v %v", got, err)
		}
		return nil
	})
}
