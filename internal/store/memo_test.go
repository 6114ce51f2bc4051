package store

import (
	"context"
	"errors"
	"sync"
	"testing"

	"bty/internal/machine"
)

// What a transaction reads is what it would decode: after a rollback, after a delete, and on a
// snapshot that is older than the newest commit.
func TestMemoIsNeverStale(t *testing.T) {
	s := fresh(t)
	ctx := context.Background()
	set := func(mode machine.BootMode, fail error) func(*Tx) error {
		return func(tx *Tx) error {
			m, _, err := tx.Machine(mac(1))
			if err != nil {
				return err
			}
			m.MAC, m.Intent.Mode = mac(1), mode
			if err := tx.PutMachine(m); err != nil {
				return err
			}
			if again, _, err := tx.Machine(mac(1)); err != nil || again.Intent.Mode != mode {
				t.Errorf("its own write reads as %s, %v", again.Intent.Mode, err)
			}
			return fail
		}
	}
	mode := func(tx *Tx) machine.BootMode {
		m, _, err := tx.Machine(mac(1))
		if err != nil {
			t.Error(err)
		}
		return m.Intent.Mode
	}
	if err := s.Update(ctx, set(machine.TUI, nil)); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(ctx, set(machine.FlashOnce, errRefused)); !errors.Is(err, errRefused) {
		t.Fatal(err)
	}
	err := s.View(func(old *Tx) error {
		if got := mode(old); got != machine.TUI {
			t.Errorf("after a rollback: %s", got)
		}
		if err := s.Update(ctx, set(machine.FlashAlways, nil)); err != nil {
			return err
		}
		if err := s.View(func(tx *Tx) error {
			if got := mode(tx); got != machine.FlashAlways {
				t.Errorf("the newest: %s", got)
			}
			return nil
		}); err != nil {
			return err
		}
		if got := mode(old); got != machine.TUI {
			t.Errorf("the older snapshot: %s", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Update(ctx, func(tx *Tx) error { return tx.DeleteMachine(mac(1)) }); err != nil || knows(t, s, 1) {
		t.Errorf("deleted, and still there: %v", err)
	}
}

func TestMemoIsBounded(t *testing.T) {
	s := fresh(t)
	err := s.Update(context.Background(), func(tx *Tx) error {
		for i := range maxMemo + 100 {
			if err := putMachine(i)(tx); err != nil {
				return err
			}
			if _, found, err := tx.Machine(mac(i)); err != nil || !found {
				return errors.Join(err, errRefused)
			}
		}
		return nil
	})
	if err != nil || len(s.machines.values) > maxMemo {
		t.Errorf("%d values are kept: %v", len(s.machines.values), err)
	}
}

func TestReadersAndWriters(t *testing.T) {
	s := fresh(t)
	var work sync.WaitGroup
	for i := range 4 {
		work.Go(func() {
			for n := range 100 {
				if err := s.Update(context.Background(), putMachine(i)); err != nil {
					t.Error(err)
				}
				_ = s.View(func(tx *Tx) error { _, _, err := tx.Machine(mac(n % 4)); return err })
			}
		})
	}
	work.Wait()
}
