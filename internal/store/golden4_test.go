package store

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	bolt "go.etcd.io/bbolt"

	"bty/internal/machine"
)

// schema4 is what testdata/schema4.db holds: schema3, whose facts stand in their bucket, and then changes
// that stand in the log: one machine twice, one deleted. It does not change once a release wrote schema 4.
func schema4() record2 {
	r := schema3()
	last := len(r.Machines) - 1
	r.Machines[last].Facts.Attempts, r.Machines[last].Facts.Reason = 7, ""
	gone := r.Machines[last-1].MAC
	r.Machines = append(r.Machines[:last-1], r.Machines[last])
	delete(r.Hardware, gone)
	return r
}

// changeTo4 makes the changes.
func changeTo4(tx *Tx) error {
	r := schema3()
	last := r.Machines[len(r.Machines)-1]
	for _, attempts := range []int{6, 7} {
		last.Facts.Attempts, last.Facts.Reason = attempts, ""
		if err := tx.PutMachine(last); err != nil {
			return err
		}
	}
	gone := r.Machines[len(r.Machines)-2]
	gone.Facts.Attempts++
	if err := tx.PutMachine(gone); err != nil {
		return err
	}
	return tx.DeleteMachine(gone.MAC)
}

const goldenFile4 = "testdata/schema4.db"

// TestMakeGolden4 writes the file with UPDATE=1, once, before the first release with schema 4.
func TestMakeGolden4(t *testing.T) {
	_, err := os.Stat(goldenFile4)
	if os.Getenv("UPDATE") != "1" {
		if err != nil {
			t.Fatalf("%v; UPDATE=1 go test makes it", err)
		}
		return
	}
	if err == nil {
		t.Skip("a golden file is never written again")
	}
	s := open(t, copied(t, goldenFile3))
	if err := s.Update(context.Background(), changeTo4); err != nil {
		t.Fatal(err)
	}
	compact(t, s, goldenFile4)
}

func TestGoldenSchema4(t *testing.T) {
	s := open(t, copied(t, goldenFile4))
	if got, want := read2(t, s), schema4(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if _, rows := s.latest.extent(); rows != 4 {
		t.Errorf("%d rows in the log, want two changes of one machine, one of another and that it was deleted", rows)
	}
	check(t, s)
}

// A database of schema 3 comes to schema 4 with all facts, and keeps no bucket that nobody reads.
func TestMigrateFromSchema3(t *testing.T) {
	path := copied(t, goldenFile3)
	for range 2 {
		s, err := Open(path, "test")
		if err != nil {
			t.Fatal(err)
		}
		if got, want := read2(t, s), schema3(); !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if err := s.View(func(tx *Tx) error {
			if tx.tx.Bucket(bucketRecent) != nil {
				t.Error("the bucket recent is there still")
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		if err := s.Abandon(); err != nil {
			t.Fatal(err)
		}
	}
}

// What the log says of a machine that cannot be read is an error, as with a row of facts.
func TestDamagedLog(t *testing.T) {
	for name, row := range map[string][]byte{"too short": {valueVersion, 2}, "no version": make([]byte, 30), "no facts": append(latestRow(mac(7), nil), valueVersion)} {
		path := copied(t, goldenFile4)
		db, err := bolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketLatest).Put(latestKey(2), row) }); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(path, "test"); err == nil {
			t.Errorf("%s: it was opened", name)
			_ = s.Abandon()
		}
	}
}

// A deleted machine that comes back has the facts that it comes with.
func TestFactsOfAMachineThatComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bty.db")
	s := open(t, path)
	m := machine.New(mac(1), schema3().Machines[0].CreatedAt)
	do := func(fn func(tx *Tx) error) {
		t.Helper()
		if err := s.Update(context.Background(), fn); err != nil {
			t.Fatal(err)
		}
	}
	m.Facts.Attempts = 4
	do(func(tx *Tx) error { return tx.PutMachine(m) })
	do(func(tx *Tx) error { return tx.DeleteMachine(m.MAC) })
	do(func(tx *Tx) error {
		if raw := tx.rawFacts(m.MAC); raw != nil {
			t.Errorf("deleted, it has %x", raw)
		}
		return tx.PutMachine(m)
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	if err := s.View(func(tx *Tx) error {
		got, found, err := tx.Machine(m.MAC)
		if !found || got.Facts != m.Facts {
			t.Errorf("%+v", got)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}
