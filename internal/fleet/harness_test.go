package fleet

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/boot"
	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/ledger"
	"bty/internal/machine"
	"bty/internal/store"
	"bty/internal/wire"
)

// stored hands the real store to the fleet.
type stored struct{ *store.Store }

func (s stored) View(fn func(Tx) error) error {
	return s.Store.View(func(tx *store.Tx) error { return fn(tx) })
}

func (s stored) Update(ctx context.Context, fn func(Tx) error) error {
	return s.Store.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

// site is a fleet over a real database, with one image and a clock of its own.
type site struct {
	testing.TB
	*Fleet
	path  string
	store *store.Store
	clock *atomic.Int64
	files boot.LiveFiles
}

var (
	ctx    = context.Background()
	from   = netip.MustParseAddr("192.0.2.7")
	who    = Who{From: netip.MustParseAddr("192.0.2.1")}
	box    = machine.MAC{0x52, 0x54, 0, 0, 0, 1}
	ref, _ = catalog.RefOf("https://images.example/debian.img.zst")
)

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{TB: t, path: filepath.Join(t.TempDir(), "bty.db"), clock: new(atomic.Int64),
		files: boot.LiveFiles{Kernel: "bty-live-x86_64.vmlinuz", Initrd: "bty-live-x86_64.initrd"}}
	s.start()
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		return tx.PutImage(catalog.Entry{Ref: ref, Src: "https://images.example/debian.img.zst", ResolvedSrc: "https://images.example/debian.img.zst",
			Name: "debian.img.zst", Format: catalog.Zstd, Digest: catalog.Digest{1}})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.store.Close() })
	return s
}

func (s *site) start() {
	s.Helper()
	var err error
	if s.store, err = store.Open(s.path, "test"); err != nil {
		s.Fatal(err)
	}
	go s.store.Run(ctx)
	s.Fleet, err = New(Config{Store: stored{s.store}, Ledger: ledger.New(slog.New(slog.DiscardHandler)), Now: s.now,
		Live: func(string) (boot.LiveFiles, string) { return s.files, "bty-live-x86_64.initrd" }})
	if err != nil {
		s.Fatal(err)
	}
	if err := s.Remember(ctx); err != nil {
		s.Fatal(err)
	}
}

// now goes on by a second each time it is asked.
func (s *site) now() time.Time { return time.Unix(1_800_000_000+s.clock.Add(1), 0).UTC() }

// restart ends the process's memory; what is on the disk stays.
func (s *site) restart() {
	s.Helper()
	if err := s.store.Close(); err != nil {
		s.Fatal(err)
	}
	s.start()
}

func (s *site) save(mode machine.BootMode) {
	s.Helper()
	if _, err := s.Save(ctx, box, machine.Intent{Mode: mode, Image: ref, TargetSerial: "SER1"}, who); err != nil {
		s.Fatal(err)
	}
}

func (s *site) record() Record {
	s.Helper()
	r, err := s.Machine(box)
	if err != nil {
		s.Fatal(err)
	}
	return r
}

func (s *site) ask(asker boot.Asker, want boot.Rule) boot.Offer {
	s.Helper()
	offer, err := s.Contact(ctx, Contact{MAC: box, Asker: asker, From: from})
	if err != nil {
		s.Fatal(err)
	}
	if offer.Rule != want {
		s.Fatalf("the offer is by rule %s, want %s; facts %+v", offer.Rule, want, offer.Machine.Facts)
	}
	return offer
}

// script is what firmware is served, plan what the live environment is.
func (s *site) script(want boot.Rule) { s.Helper(); s.ask(boot.Firmware, want) }
func (s *site) plan(want boot.Rule)   { s.Helper(); s.ask(boot.Live, want) }

// live fetches what iPXE fetches: a HEAD and a GET of the kernel and of the initrd.
func (s *site) live() {
	s.Helper()
	for _, file := range []string{s.files.Kernel, s.files.Kernel, s.files.Initrd, s.files.Initrd} {
		if err := s.Launch(ctx, box, from, file); err != nil {
			s.Fatal(err)
		}
	}
}

func (s *site) status(status, reason string) {
	s.Helper()
	if err := s.Status(ctx, box, from, wire.Status{Status: status, Reason: reason}); err != nil {
		s.Fatal(err)
	}
}

func (s *site) inventory(disks ...machine.Disk) {
	s.Helper()
	if err := s.Inventory(ctx, box, from, wire.Inventory{Disks: disks}); err != nil {
		s.Fatal(err)
	}
}

// events counts the events of the box by kind.
func (s *site) events() map[event.Kind]int {
	s.Helper()
	counts := map[event.Kind]int{}
	for _, e := range s.all() {
		counts[e.Kind]++
	}
	return counts
}

// all is every event of the box, newest first.
func (s *site) all() (found []event.Event) {
	s.Helper()
	id := box.String()
	err := s.store.View(func(tx *store.Tx) (err error) { found, err = tx.Events(event.Filter{SubjectID: &id}); return err })
	if err != nil {
		s.Fatal(err)
	}
	return found
}

// last is the details of the newest event of a kind.
func (s *site) last(kind event.Kind) map[string]any {
	s.Helper()
	for _, e := range s.all() {
		if e.Kind != kind {
			continue
		}
		var details map[string]any
		if err := json.Unmarshal(e.Details, &details); err != nil {
			s.Fatal(err)
		}
		return details
	}
	s.Fatalf("no event %s", kind)
	return nil
}
