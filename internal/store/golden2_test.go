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

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/machine"
	"bty/internal/rule"
	"bty/internal/token"
)

// record2 is what schema 2 holds beside what schema 1 did.
type record2 struct {
	record
	Settings map[string]string
	Tokens   []token.Token
	Rules    []rule.Rule
	Default  rule.Assignment
	Dropped  []catalog.ImageRef
}

// schema2 is what testdata/schema2.db holds. Neither changes once a release wrote schema 2.
func schema2() record2 {
	at := func(s int) time.Time { return time.Date(2026, 11, 25, 22, 30, s, 123456000, time.UTC) }
	mode := func(m machine.BootMode) *machine.BootMode { return &m }
	text := func(s string) *string { return &s }
	ref, _ := catalog.RefOf("oras://registry.example/images/debian:13")
	gone, _ := catalog.RefOf("https://images.example/old.img.zst")
	r := record2{
		record:   schema1(),
		Settings: map[string]string{"netboot.repo": "someone/else", "display.timezone": "Europe/Berlin", "empty": ""},
		Tokens: []token.Token{
			{ID: "abc123", Name: "ci <nightly>", Scope: token.Write, Hash: token.Hash{1, 2, 3}, CreatedAt: at(1), ExpiresAt: at(50), UsedAt: at(9), UsedFrom: netip.MustParseAddr("2001:db8::7")},
			{ID: "def456", Name: "read", Scope: token.Read, Hash: token.Hash{4}, CreatedAt: at(2)},
		},
		Rules: []rule.Rule{
			{ID: 1, Name: "rack 1", Order: 10, CreatedAt: at(3), UpdatedAt: at(4),
				Selector: rule.Selector{Labels: []string{"rack 1"}, NotLabels: []string{"spare"}, MACPrefix: "52:54:00", Vendor: "QEMU*", Product: "*", Arch: "x86_64", DiskMin: "100G", DiskMax: "2T"},
				Assign:   rule.Assignment{Mode: mode(machine.FlashOnce), Image: ref, Disk: &rule.DiskRule{Pick: rule.Smallest, Transport: "nvme", Model: "Fast*", Min: "10G", Max: "1T"}}},
			{ID: 2, Name: "all else", Order: 20, CreatedAt: at(5), UpdatedAt: at(5), Assign: rule.Assignment{Mode: mode(machine.TUI)}},
		},
		Default: rule.Assignment{Mode: mode(machine.IPXEExit)},
		Dropped: []catalog.ImageRef{gone},
	}
	r.Machines = append(r.Machines, machine.Machine{MAC: mac(6), CreatedAt: at(1), UpdatedAt: at(2), DiscoveredAt: at(2), Arch: "arm64", Intent: machine.Intent{Mode: machine.Inventory, Free: true},
		Facts: machine.Facts{Under: "mark", Attempts: 1, Completed: true, DiskVia: machine.ViaHTTP, DiskAt: at(8), FlashedAt: at(7)}})
	r.Hardware[mac(6)] = machine.Hardware{Disks: []machine.Disk{{Path: "/dev/sda", Size: text("1.8T"), Removable: true}}, Vendor: "Dell Inc.", Product: "PowerEdge R660"}
	r.Images = append(r.Images, catalog.Entry{Ref: ref, Src: "oras://registry.example/images/debian:13", ResolvedSrc: "oras://registry.example/images/debian@sha256:ab", Digest: catalog.Digest{0xcd},
		Manifest: "sha256:ef", Name: "debian", Format: catalog.Zstd, Size: 1, AddedAt: at(6)})
	folded := event.Event{ID: 3, At: at(9), Kind: event.ContactsFolded, SubjectKind: event.Machine, SubjectID: mac(6).String(), Actor: event.Client, SourceIP: netip.MustParseAddr("192.0.2.9"),
		Summary: "asked 3 times", Details: json.RawMessage(`{"kind":"netboot.pxe.offered","offer_kind":"ipxe-exit","count":3,"first":"2026-11-25T08:00:00Z","last":"2026-11-25T22:30:09Z"}`)}
	r.Events = append([]event.Event{folded}, r.Events...)
	return r
}

const goldenFile2 = "testdata/schema2.db"

// TestMakeGolden2 writes the file with UPDATE=1, once, before the first release with schema 2.
func TestMakeGolden2(t *testing.T) {
	_, err := os.Stat(goldenFile2)
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
	if err := s.Update(context.Background(), func(tx *Tx) error { return fillWith2(tx, schema2()) }); err != nil {
		t.Fatal(err)
	}
	compact(t, s, goldenFile2)
}

func fillWith2(tx *Tx, r record2) error {
	if err := fillWith(tx, r.record); err != nil {
		return err
	}
	for name, value := range r.Settings {
		if err := tx.PutSetting(name, value); err != nil {
			return err
		}
	}
	for _, one := range r.Tokens {
		if err := tx.PutToken(one); err != nil {
			return err
		}
	}
	for _, one := range r.Rules {
		if _, err := tx.NewRuleID(); err != nil {
			return err
		}
		if err := tx.PutRule(one); err != nil {
			return err
		}
	}
	for _, ref := range r.Dropped {
		if err := tx.PutDropped(ref, r.Rules[0].CreatedAt); err != nil {
			return err
		}
	}
	return tx.PutDefault(r.Default)
}

func TestGoldenSchema2(t *testing.T) {
	raw, err := os.ReadFile(goldenFile2)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bty.db")
	write(t, path, raw)
	s := open(t, path)
	want, got := schema2(), read2(t, s)
	if reflect.DeepEqual(got, want) {
		check(t, s)
		return
	}
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		if !reflect.DeepEqual(g.Field(i).Interface(), w.Field(i).Interface()) {
			t.Errorf("%s\ngot  %+v\nwant %+v", g.Type().Field(i).Name, g.Field(i), w.Field(i))
		}
	}
}

func read2(t *testing.T, s *Store) (got record2) {
	t.Helper()
	got.record = read(t, s)
	err := s.View(func(tx *Tx) (err error) {
		if got.Settings, err = tx.Settings(); err != nil {
			return err
		}
		if got.Tokens, err = tx.Tokens(); err != nil {
			return err
		}
		set, err := tx.Rules()
		if err != nil {
			return err
		}
		got.Rules, got.Default = set.Rules, set.Default
		for _, ref := range schema2().Dropped {
			if dropped, err := tx.Dropped(ref); err != nil || !dropped {
				return err
			}
			got.Dropped = append(got.Dropped, ref)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// A database of schema 1 comes to schema 2 with everything that it held, keeps that when it is
// opened again, and one of a later schema than ours is left as it is.
func TestMigrateFromSchema1(t *testing.T) {
	raw, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bty.db")
	write(t, path, raw)
	var before record
	for range 2 {
		s, err := Open(path, "test")
		if err != nil {
			t.Fatal(err)
		}
		err = s.View(func(tx *Tx) error {
			if have, err := tx.schema(); err != nil || have != uint32(len(migrations)) {
				t.Errorf("schema %d: %v", have, err)
			}
			return complete(tx.tx)
		})
		if err != nil {
			t.Error(err)
		}
		now := read(t, s)
		if before.Machines != nil && !reflect.DeepEqual(now, before) {
			t.Errorf("opened again it holds\n%+v\nwant\n%+v", now, before)
		}
		before = now
		if err := s.Abandon(); err != nil {
			t.Fatal(err)
		}
	}
	if len(before.Machines) != len(schema1().Machines) || len(before.Events) != len(schema1().Events) {
		t.Errorf("%+v", before)
	}
}
