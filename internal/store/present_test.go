package store

import (
	"context"
	"errors"
	"testing"

	"bty/internal/machine"
)

// What the committer knows of a machine is what is on disk, whatever became of the transactions before.
func TestPresentIsNeverStale(t *testing.T) {
	s := fresh(t)
	update := func(fail error, fn func(tx *Tx) error) {
		t.Helper()
		err := s.Update(context.Background(), func(tx *Tx) error { return errors.Join(fn(tx), fail) })
		if !errors.Is(err, fail) {
			t.Fatal(err)
		}
	}
	facts := func(attempts int) func(tx *Tx) error {
		return func(tx *Tx) error {
			m, _, err := tx.Machine(mac(1))
			m.Facts.Attempts = attempts
			return errors.Join(err, tx.PutMachine(m))
		}
	}
	has := func(attempts int) func(tx *Tx) error {
		return func(tx *Tx) error {
			t.Helper()
			m, _, err := tx.Machine(mac(1))
			if m.Facts.Attempts != attempts {
				t.Errorf("%d attempts, want %d", m.Facts.Attempts, attempts)
			}
			return err
		}
	}
	put := func(label string) func(tx *Tx) error {
		return func(tx *Tx) error {
			m, _, err := tx.Machine(mac(1))
			if m.MAC, m.Intent.Labels = mac(1), []string{label}; err != nil {
				return err
			}
			return errors.Join(tx.PutMachine(m), tx.PutHardware(mac(1), machine.Hardware{Vendor: label}))
		}
	}
	is := func(want string) func(tx *Tx) error {
		return func(tx *Tx) error {
			t.Helper()
			m, found, err := tx.Machine(mac(1))
			h, reported, errHardware := tx.Hardware(mac(1))
			if found != (want != "") || found && m.Intent.Labels[0] != want || reported != found || h.Vendor != want {
				t.Errorf("%v %v, %v %q, want %q", found, m.Intent.Labels, reported, h.Vendor, want)
			}
			return errors.Join(err, errHardware)
		}
	}
	drop := func(tx *Tx) error { return tx.DeleteMachine(mac(1)) }
	after := func(steps ...func(*Tx) error) func(*Tx) error {
		return func(tx *Tx) error {
			for _, step := range steps {
				if err := step(tx); err != nil {
					return err
				}
			}
			return nil
		}
	}
	update(nil, after(is(""), put("a"), is("a")))
	update(nil, is("a"))
	update(errRefused, after(is("a"), put("b"), is("b")))
	update(nil, after(has(0), facts(1), has(1), facts(2), has(2)))
	update(errRefused, after(has(2), facts(3), has(3)))
	update(errRefused, after(facts(4), put("b"), has(4), facts(5), has(5)))
	update(nil, after(has(2), put("a"), facts(6)))
	update(errRefused, after(has(6), drop, put("b"), facts(7), has(7)))
	update(nil, after(has(6), facts(8)))
	update(nil, has(8))
	update(nil, is("a"))
	update(errRefused, after(drop, is("")))
	update(nil, after(is("a"), put("c"), is("c")))
	update(errRefused, after(put("d"), drop, put("e"), is("e")))
	update(nil, after(is("c"), drop, is("")))
	update(nil, is(""))
}

// However many machines there are, the committer remembers some only.
func TestPresentIsBounded(t *testing.T) {
	p := newPresent[int]()
	for i := range 3 * maxMemo {
		if p.found(mac(i), i); len(p.rows) > maxMemo || p.rows[mac(i)] != i {
			t.Fatalf("after %d: %d rows", i, len(p.rows))
		}
	}
}
