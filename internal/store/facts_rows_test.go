package store

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bty/internal/machine"
)

// However facts move from the log to their bucket, a machine has those that were put last: after
// updates that failed, after deletes, and after the file was opened again. The log stays short.
func TestFactsMove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bty.db")
	s := open(t, path)
	random := rand.New(rand.NewPCG(1, 2))
	want := map[machine.MAC]machine.Machine{}
	const machines = 3000
	for round := range 40 {
		next := maps.Clone(want)
		fails := round%4 == 3
		err := s.Update(context.Background(), func(tx *Tx) error {
			for range 700 {
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
		if round%9 == 8 { // as a power cut would leave it
			holds(t, open(t, snapshotOf(t, s)), want)
		}
	}
	if first, _ := s.latest.extent(); first < halfLatest {
		t.Errorf("the log begins at %d still", first)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	holds(t, s, want)
	check(t, s)
}

func snapshotOf(t *testing.T, s *Store) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bty.db")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := s.Snapshot(f, func(int64) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return path
}

func holds(t *testing.T, s *Store, want map[machine.MAC]machine.Machine) {
	t.Helper()
	err := s.View(func(tx *Tx) error {
		log := tx.tx.Bucket(bucketLatest)
		first, length := s.latest.extent()
		rows := 0
		if err := log.ForEach(func(_, _ []byte) error { rows++; return nil }); err != nil {
			return err
		}
		if rows != length || first+uint64(length) != log.Sequence()+1 || rows > 3*halfLatest {
			t.Fatalf("the log has %d rows up to %d, in memory %d from %d on", rows, log.Sequence(), length, first)
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

// A snapshot has the facts of its time, however much of the log has been merged and deleted since, and from
// whatever time it is.
func TestFactsOfASnapshot(t *testing.T) {
	s := fresh(t)
	const machines = 500
	put := func(attempts int) {
		t.Helper()
		err := s.Update(context.Background(), func(tx *Tx) error {
			for i := range machines {
				m := machine.New(mac(i), time.Unix(1, 0).UTC())
				if m.Facts.Attempts = attempts; i == 7 && attempts%2 == 1 {
					if err := tx.DeleteMachine(m.MAC); err != nil {
						return err
					}
					continue
				}
				if err := tx.PutMachine(m); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	const rounds = 8 * halfLatest / machines
	for round := range rounds {
		put(round)
		if round%9 > 1 {
			continue
		}
		snapshot, err := s.db.Begin(false)
		if err != nil {
			t.Fatal(err)
		}
		defer snapshot.Rollback()
		defer func() {
			tx := &Tx{tx: snapshot, store: s}
			n := 0
			err := tx.EachMachine(func(m machine.Machine) error {
				if n++; m.Facts.Attempts != round {
					t.Fatalf("%s of round %d has facts of round %d", m.MAC, round, m.Facts.Attempts)
				}
				return nil
			})
			one, found, single := (&Tx{tx: snapshot, store: s}).Machine(mac(3))
			if n != machines-round%2 || err != nil || !found || one.Facts.Attempts != round || single != nil {
				t.Errorf("round %d: %d machines, %v; one of round %d, %v", round, n, err, one.Facts.Attempts, single)
			}
		}()
	}
	if first, _ := s.latest.extent(); first < halfLatest {
		t.Errorf("the log begins at %d still", first)
	}
}

// What is read beside commits that merge and delete is of one moment.
func TestFactsBesideCommits(t *testing.T) {
	s := fresh(t)
	const machines = 300
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		for round := 0; ctx.Err() == nil; round++ {
			err := s.Update(context.Background(), func(tx *Tx) error {
				for i := range machines {
					m := machine.New(mac(i), time.Unix(1, 0).UTC())
					m.Facts.Attempts = round
					if err := tx.PutMachine(m); err != nil {
						return err
					}
				}
				if round%5 == 4 {
					return errRefused
				}
				return nil
			})
			if err != nil && !errors.Is(err, errRefused) {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for first, n := uint64(0), 0; first < 4*halfLatest && n < 100_000; n++ {
		err := s.View(func(tx *Tx) error {
			attempts := -1
			return tx.EachMachine(func(m machine.Machine) error {
				if attempts >= 0 && m.Facts.Attempts != attempts || m.Facts.Attempts%5 == 4 {
					t.Fatalf("%s has %d, one before it %d", m.MAC, m.Facts.Attempts, attempts)
				}
				attempts = m.Facts.Attempts
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		first, _ = s.latest.extent()
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
