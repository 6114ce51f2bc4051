package store

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"bty/internal/machine"
)

// schema3 is what testdata/schema3.db holds: as schema2, and one machine with every fact. It does
// not change once a release wrote schema 3.
func schema3() record2 {
	at := func(s int) time.Time { return time.Date(2026, 11, 26, 0, 30, s, 123456789, time.UTC) }
	r := schema2()
	r.Machines = append(r.Machines, machine.Machine{MAC: mac(7), CreatedAt: at(1), UpdatedAt: at(2), DiscoveredAt: at(3), Arch: "x86_64",
		Intent: machine.Intent{Mode: machine.FlashAlways, Labels: []string{"all facts"}},
		Facts: machine.Facts{Under: "0123456789ab0123456789ab", Attempts: 300, Launched: true, Planned: true, Completed: true, Failed: true, Reason: "digest <mismatch> ü", Stuck: true,
			DiskVia: machine.ViaTFTP, DiskAt: at(4), FlashedAt: at(5), InventoriedAt: at(6)}})
	return r
}

const goldenFile3 = "testdata/schema3.db"

// TestMakeGolden3 writes the file with UPDATE=1, once, before the first release with schema 3.
func TestMakeGolden3(t *testing.T) {
	_, err := os.Stat(goldenFile3)
	if os.Getenv("UPDATE") != "1" {
		if err != nil {
			t.Fatalf("%v; UPDATE=1 go test makes it", err)
		}
		return
	}
	if err == nil {
		t.Skip("a golden file is never written again")
	}
	s := open(t, filepath.Join(t.TempDir(), "bty.db"))
	if err := s.Update(context.Background(), func(tx *Tx) error { return fillWith2(tx, schema3()) }); err != nil {
		t.Fatal(err)
	}
	compact(t, s, goldenFile3)
}

func TestGoldenSchema3(t *testing.T) {
	s := open(t, copied(t, goldenFile3))
	if got, want := read2(t, s), schema3(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	check(t, s)
}

// A database of schema 2 comes to schema 3 with nothing lost, and no machine's row keeps facts that
// would grow stale beside the ones that count.
func TestMigrateFromSchema2(t *testing.T) {
	path := copied(t, goldenFile2)
	for range 2 {
		s, err := Open(path, "test")
		if err != nil {
			t.Fatal(err)
		}
		if got, want := read2(t, s), schema2(); !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		err = s.View(func(tx *Tx) error {
			return tx.tx.Bucket(bucketMachines).ForEach(func(key, raw []byte) error {
				var m machine.Machine
				if err := decode(bucketMachines, key, raw, &m); err != nil || m.Facts != (machine.Facts{}) || !m.UpdatedAt.IsZero() {
					t.Errorf("%s: %v", raw, err)
				}
				return nil
			})
		})
		if err != nil {
			t.Error(err)
		}
		if err := s.Abandon(); err != nil {
			t.Fatal(err)
		}
	}
}

// A backup of an older release is looked into as it is, without being migrated.
func TestCopiesOfOlderSchemas(t *testing.T) {
	for file, want := range map[string][]machine.Machine{goldenFile: schema1().Machines, goldenFile2: schema2().Machines, goldenFile3: schema3().Machines, goldenFile4: schema4().Machines} {
		kept, err := OpenCopy(copied(t, file), func() {})
		if err != nil {
			t.Fatal(err)
		}
		var got []machine.Machine
		err = kept.View(func(tx *Tx) error {
			return tx.EachMachine(func(m machine.Machine) error { got = append(got, m); return nil })
		})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", file, err, got, want)
		}
		about, err := kept.About()
		if err != nil || about.HasSettings() != (file != goldenFile) {
			t.Errorf("%s: %+v, %v", file, about, err)
		}
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	}
}

func copied(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bty.db")
	write(t, path, raw)
	return path
}

// A machine whose facts are lost is an error: taken for one without a past it might be flashed.
func TestLostFacts(t *testing.T) {
	path := copied(t, goldenFile3)
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	lost := mac(4)
	if err := db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketRecent).Delete(lost[:]) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	if err := s.View(func(tx *Tx) error { _, _, err := tx.Machine(lost); return err }); err == nil {
		t.Error("it was read")
	}
	if err := s.View(func(tx *Tx) error { return tx.EachMachine(func(machine.Machine) error { return nil }) }); err == nil {
		t.Error("all were read")
	}
}
