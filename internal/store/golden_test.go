package store

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/machine"
	"bty/internal/rule"
)

// record is everything that a database holds, as typed values.
type record struct {
	Machines []machine.Machine
	Hardware map[machine.MAC]machine.Hardware
	Trees    map[machine.MAC]json.RawMessage
	Images   []catalog.Entry
	Events   []event.Event // newest first
}

// schema1 is what testdata/schema1.db holds. Neither changes once a release wrote schema 1.
func schema1() record {
	at := func(s int) time.Time { return time.Date(2026, 11, 23, 7, 20, s, 717753000, time.UTC) }
	text := func(s string) *string { return &s }
	ref, _ := catalog.RefOf("https://images.example/debian.img.zst")
	intent := func(m machine.BootMode) machine.Intent {
		return machine.Intent{Mode: m, Image: ref, TargetSerial: "S3R1AL", Drive: "0x81", Labels: []string{"Lab", "rack 1"}}
	}
	return record{
		Machines: []machine.Machine{
			{MAC: mac(1), CreatedAt: at(1), UpdatedAt: at(1)},
			{MAC: mac(2), CreatedAt: at(1), UpdatedAt: at(2), DiscoveredAt: at(2), Intent: intent(machine.Inventory),
				Facts: machine.Facts{Attempts: 1, Launched: true, Completed: true, InventoriedAt: at(9)}},
			{MAC: mac(3), CreatedAt: at(1), UpdatedAt: at(2), DiscoveredAt: at(2), Intent: intent(machine.TUI)},
			{MAC: mac(4), CreatedAt: at(1), UpdatedAt: at(2), DiscoveredAt: at(2), Intent: intent(machine.FlashOnce),
				Facts: machine.Facts{Attempts: 2, Launched: true, Planned: true, Failed: true, Reason: "digest <mismatch>", FlashedAt: at(8)}},
			{MAC: mac(5), CreatedAt: at(1), UpdatedAt: at(2), DiscoveredAt: at(2), Intent: intent(machine.FlashAlways),
				Facts: machine.Facts{Attempts: 5, Stuck: true}},
		},
		Hardware: map[machine.MAC]machine.Hardware{
			mac(2): {Disks: []machine.Disk{}},
			mac(4): {Disks: []machine.Disk{{Path: "/dev/nvme0n1", Size: text("953.9G"), Model: text("Ünïcode"), Serial: text("S3R1AL"), Tran: text("nvme"), ReadOnly: true}}},
		},
		Trees: map[machine.MAC]json.RawMessage{mac(4): json.RawMessage(`{"id":"host","size":1}`)},
		Images: []catalog.Entry{{Ref: ref, Src: "https://images.example/debian.img.zst", ResolvedSrc: "https://images.example/debian.img.zst",
			Digest: catalog.Digest{0xab, 1}, Name: "debian.img.zst", DigestURL: "https://images.example/SHA256SUMS", Format: catalog.Zstd,
			Size: 1234567890123, Description: "two\nlines", Arch: "x86_64", AddedAt: at(3)}},
		Events: []event.Event{
			{ID: 2, At: at(5), Kind: event.MachineStuck, SubjectKind: event.Machine, SubjectID: mac(5).String(), Actor: event.Client,
				SourceIP: netip.MustParseAddr("2001:db8::1"), Summary: "stuck", Acknowledged: true},
			{ID: 1, At: at(4), Kind: event.MachineDiscovered, SubjectKind: event.Machine, SubjectID: mac(1).String(), Actor: event.Client,
				SourceIP: netip.MustParseAddr("192.0.2.7"), Summary: "seen for the first time", Details: json.RawMessage(`{"boot_mode":"bty-inventory"}`)},
		},
	}
}

const goldenFile = "testdata/schema1.db"

// TestMakeGolden writes the file of the newest schema with UPDATE=1, once, before its first release.
func TestMakeGolden(t *testing.T) {
	if os.Getenv("UPDATE") != "1" {
		if _, err := os.Stat(goldenFile); err != nil {
			t.Fatalf("%v; UPDATE=1 go test makes it", err)
		}
		return
	}
	if _, err := os.Stat(goldenFile); err == nil {
		t.Skip("a golden file is never written again")
	}
	path := filepath.Join(t.TempDir(), "bty.db")
	s := open(t, path)
	want := schema1()
	err := s.Update(context.Background(), func(tx *Tx) error { return fillWith(tx, want) })
	if err != nil {
		t.Fatal(err)
	}
	compact(t, s, goldenFile)
}

func fillWith(tx *Tx, r record) error {
	for _, m := range r.Machines {
		if err := tx.PutMachine(m); err != nil {
			return err
		}
	}
	for mac, h := range r.Hardware {
		if err := tx.PutHardware(mac, h); err != nil {
			return err
		}
	}
	for mac, tree := range r.Trees {
		if err := tx.PutTree(mac, tree); err != nil {
			return err
		}
	}
	for _, e := range r.Images {
		if err := tx.PutImage(e); err != nil {
			return err
		}
	}
	for i := len(r.Events) - 1; i >= 0; i-- {
		if err := tx.AppendEvent(&r.Events[i]); err != nil {
			return err
		}
	}
	return nil
}

func compact(t *testing.T, s *Store, to string) {
	t.Helper()
	small, err := bolt.Open(to, 0o644, &bolt.Options{NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	if err := bolt.Compact(small, s.db, 0); err != nil {
		t.Fatal(err)
	}
}

func TestGoldenSchema1(t *testing.T) {
	raw, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bty.db")
	write(t, path, raw)
	s := open(t, path)
	want := schema1()
	for i, m := range want.Machines { // what a later schema adds: they were all saved by a person
		want.Machines[i].Facts.Under = rule.Assign(m, nil, nil).Mark()
	}
	got := read(t, s)
	for _, part := range []struct {
		name      string
		got, want any
	}{{"machines", got.Machines, want.Machines}, {"hardware", got.Hardware, want.Hardware}, {"trees", got.Trees, want.Trees}, {"images", got.Images, want.Images}, {"events", got.Events, want.Events}} {
		if !reflect.DeepEqual(part.got, part.want) {
			t.Errorf("%s\ngot  %+v\nwant %+v", part.name, part.got, part.want)
		}
	}
	e := event.Event{}
	err = s.Update(context.Background(), func(tx *Tx) error { return tx.AppendEvent(&e) })
	if err != nil || e.ID != want.Events[0].ID+1 {
		t.Errorf("the next event gets ID %d: %v", e.ID, err)
	}
	check(t, s)
}

func read(t *testing.T, s *Store) (got record) {
	t.Helper()
	got.Hardware = map[machine.MAC]machine.Hardware{}
	got.Trees = map[machine.MAC]json.RawMessage{}
	err := s.View(func(tx *Tx) error {
		err := tx.EachMachine(func(m machine.Machine) error {
			got.Machines = append(got.Machines, m)
			h, found, err := tx.Hardware(m.MAC)
			if found {
				got.Hardware[m.MAC] = h
			}
			if err != nil {
				return err
			}
			tree, found, err := tx.Tree(m.MAC)
			if found {
				got.Trees[m.MAC] = tree
			}
			return err
		})
		if err != nil {
			return err
		}
		if got.Images, err = tx.Images(); err != nil {
			return err
		}
		got.Events, err = tx.Events(event.Filter{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}
