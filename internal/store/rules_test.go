package store

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"bty/internal/machine"
	"bty/internal/rule"
)

func names(t *testing.T, tx *Tx) (all string) {
	t.Helper()
	set, err := tx.Rules()
	if err != nil {
		t.Error(err)
		return ""
	}
	for _, r := range set.Rules {
		all += r.Name
	}
	return all
}

// Rules that are kept decoded are those of the transaction that asks, whatever became of others.
func TestRulesAreNeverStale(t *testing.T) {
	s := fresh(t)
	ctx := context.Background()
	put := func(name string, order int, fail error) {
		t.Helper()
		err := s.Update(ctx, func(tx *Tx) error {
			id, err := tx.NewRuleID()
			if err != nil {
				return err
			}
			if err := tx.PutRule(rule.Rule{ID: id, Name: name, Order: order}); err != nil {
				return err
			}
			names(t, tx) // decodes what may be rolled back
			return fail
		})
		if !errors.Is(err, fail) {
			t.Fatal(err)
		}
	}
	is := func(want string) {
		t.Helper()
		_ = s.View(func(tx *Tx) error {
			if got := names(t, tx); got != want {
				t.Errorf("the rules are %q, want %q", got, want)
			}
			return nil
		})
	}
	is("")
	put("b", 2, nil)
	is("b")
	put("x", 0, errRefused)
	is("b")
	put("y", 0, errRefused)
	put("a", 1, nil)
	is("ab")
	_ = s.View(func(old *Tx) error {
		put("c", 3, nil)
		is("abc")
		if got := names(t, old); got != "ab" {
			t.Errorf("an older snapshot has %q", got)
		}
		return nil
	})
	is("abc")
	mode := machine.TUI
	if err := s.Update(ctx, func(tx *Tx) error {
		return errors.Join(tx.PutDefault(rule.Assignment{Mode: &mode}), tx.DeleteRule(1))
	}); err != nil {
		t.Fatal(err)
	}
	_ = s.View(func(tx *Tx) error {
		set, err := tx.Rules()
		if err != nil || names(t, tx) != "ac" || set.DefaultMode() != machine.TUI {
			t.Errorf("%q, default %s, %v", names(t, tx), set.DefaultMode(), err)
		}
		return nil
	})
	put("d", 9, nil)
	_ = s.View(func(tx *Tx) error {
		set, _ := tx.Rules()
		if last := set.Rules[len(set.Rules)-1]; last.ID <= 3 {
			t.Errorf("ID %d was given before", last.ID)
		}
		return nil
	})
}

// A machine that nobody ever saved becomes one that rules may decide; what a person saved stays
// the machine's own, and facts belong to the setting that they were made under.
func TestMachinesFromBeforeRules(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bty.db")
	s := open(t, path)
	at := func(n int) time.Time { return time.Unix(int64(n), 0).UTC() }
	found := machine.Machine{MAC: mac(1), Intent: machine.Intent{Mode: machine.Inventory}, CreatedAt: at(1), UpdatedAt: at(1), DiscoveredAt: at(1)}
	reported := found
	reported.MAC, reported.UpdatedAt, reported.Facts = mac(2), at(5), machine.Facts{Attempts: 1, Completed: true, InventoriedAt: at(5)}
	labelled := found
	labelled.MAC, labelled.Intent.Labels = mac(3), []string{"a"}
	saved := found
	saved.MAC, saved.UpdatedAt = mac(4), at(7)
	made := found
	made.MAC, made.DiscoveredAt = mac(5), at(9)
	flash := saved
	flash.MAC, flash.Intent.Mode, flash.Facts.Completed = mac(6), machine.FlashOnce, true
	all := []machine.Machine{found, reported, labelled, saved, made, flash}
	err := s.Update(context.Background(), func(tx *Tx) error {
		return errors.Join(fillWith(tx, record{Machines: all}),
			tx.PutHardware(mac(2), machine.Hardware{Disks: []machine.Disk{{Path: "/dev/sda"}}}),
			tx.PutTree(mac(2), []byte(`{"vendor":"Dell Inc.","product":"R640"}`)))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error { // as a file of schema 1 has them
		for _, m := range all {
			if err := (&Tx{tx: tx}).put(bucketMachines, m.MAC[:], m); err != nil {
				return err
			}
		}
		return errors.Join(tx.DeleteBucket(bucketFacts), tx.DeleteBucket(bucketLatest), setSchema(tx, 1))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	got := read(t, s)
	for i, free := range []bool{true, true, false, false, false, false} {
		m := got.Machines[i]
		own := m
		own.Intent.Free = false
		if m.Intent.Free != free || m.Facts.Under != rule.Assign(own, nil, nil).Mark() {
			t.Errorf("%s: free %t, under %q", m.MAC, m.Intent.Free, m.Facts.Under)
		}
	}
	if h := got.Hardware[mac(2)]; h.Vendor != "Dell Inc." || h.Product != "R640" || len(h.Disks) != 1 {
		t.Errorf("%+v", h)
	}
}
