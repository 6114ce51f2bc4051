package store

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bty/internal/machine"
)

// However facts move between their two buckets, a machine has those that were put last: after
// updates that failed, after deletes, and after the file was opened again. Few of them are recent.
func TestFactsMove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bty.db")
	s := open(t, path)
	random := rand.New(rand.NewPCG(1, 2))
	want := map[machine.MAC]machine.Machine{}
	const machines = 3 * maxRecent
	for round := range 40 {
		next := maps.Clone(want)
		fails := round%4 == 3
		err := s.Update(context.Background(), func(tx *Tx) error {
			for range 500 {
				m := machine.New(mac(random.IntN(machines)), time.Unix(int64(round), 1).UTC())
				if random.IntN(10) == 0 {
					delete(next, m.MAC)
					if err := tx.DeleteMachine(m.MAC); err != nil {
						return err
					}
					continue
				}
				m.Facts.Attempts = random.IntN(1000)
				next[m.MAC] = m
				if err := tx.PutMachine(m); err != nil {
					return err
				}
			}
			if fails {
				return errRefused
			}
			return nil
		})
		if fails != errors.Is(err, errRefused) {
			t.Fatal(err)
		}
		if !fails {
			want = next
		}
		holds(t, s, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	holds(t, s, want)
	check(t, s)
}

func holds(t *testing.T, s *Store, want map[machine.MAC]machine.Machine) {
	t.Helper()
	err := s.View(func(tx *Tx) error {
		recent, sequence := 0, tx.tx.Bucket(bucketRecent).Sequence()
		if err := tx.tx.Bucket(bucketRecent).ForEach(func(_, _ []byte) error { recent++; return nil }); err != nil {
			return err
		}
		if recent != int(sequence) || recent > maxRecent {
			t.Fatalf("%d facts are recent, and %d are said to be", recent, sequence)
		}
		var order []machine.MAC
		err := tx.EachMachine(func(m machine.Machine) error {
			order = append(order, m.MAC)
			one, found, err := tx.Machine(m.MAC)
			w := want[m.MAC]
			if !found || one.Facts != w.Facts || m.Facts != w.Facts || !m.UpdatedAt.Equal(w.UpdatedAt) {
				t.Fatalf("%s has %+v, by itself %+v, want %+v", m.MAC, m.Facts, one.Facts, w.Facts)
			}
			return err
		})
		if len(order) != len(want) || !slices.IsSortedFunc(order, func(a, b machine.MAC) int { return slices.Compare(a[:], b[:]) }) {
			t.Fatalf("%d machines, want %d", len(order), len(want))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
