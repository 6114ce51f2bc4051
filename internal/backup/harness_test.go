package backup

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"bty/internal/boot"
	"bty/internal/event"
	"bty/internal/fleet"
	"bty/internal/job"
	"bty/internal/ledger"
	"bty/internal/machine"
	"bty/internal/settings"
	"bty/internal/store"
)

// site is a Manager over a real database, with a clock that the test turns.
type site struct {
	testing.TB
	*Manager
	store    *store.Store
	mu       sync.Mutex
	clock    time.Time
	schedule settings.Backup
	switched []Switch
	stop     func()
}

type fleetStore struct{ *store.Store }

func (s fleetStore) View(fn func(fleet.Tx) error) error {
	return s.Store.View(func(tx *store.Tx) error { return fn(tx) })
}

func (s fleetStore) Update(ctx context.Context, fn func(fleet.Tx) error) error {
	return s.Store.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

func newSite(t testing.TB) *site { return siteIn(t, t.TempDir(), "") }

// siteIn has its database in dir, and its backups in dir/backups unless they belong elsewhere.
func siteIn(t testing.TB, dir, backups string) *site {
	t.Helper()
	s := &site{TB: t, clock: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), schedule: settings.Backup{Cadence: settings.Manual, Keep: 7}}
	if backups == "" {
		backups = filepath.Join(dir, "backups")
	}
	var err error
	if s.store, err = store.Open(filepath.Join(dir, "bty.db"), "test"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	committer := make(chan struct{})
	go func() { defer close(committer); _ = s.store.Run(context.Background()) }()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	books := ledger.New(log)
	machines, err := fleet.New(fleet.Config{Store: fleetStore{s.store}, Ledger: books, Now: s.now, MaxAttempts: 5,
		Live: func(string) (boot.LiveFiles, string) { return boot.LiveFiles{}, "" }})
	if err != nil {
		t.Fatal(err)
	}
	s.Manager = New(Config{
		Store: s.store, Fleet: machines, Ledger: books, Log: log, Now: s.now, Dir: backups, Database: s.store.Path(), Version: "1.2.3", Parallel: 1,
		Schedule: func() settings.Backup { s.mu.Lock(); defer s.mu.Unlock(); return s.schedule },
		Ran:      s.ran,
		Switch:   func(sw Switch) { s.switched = append(s.switched, sw) },
	})
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Run(ctx) }()
	s.stop = sync.OnceFunc(func() { cancel(); <-ended; _ = s.store.Close(); <-committer })
	t.Cleanup(s.stop)
	return s
}

func (s *site) now() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.clock }

func (s *site) pass(d time.Duration) { s.mu.Lock(); defer s.mu.Unlock(); s.clock = s.clock.Add(d) }

func (s *site) set(b settings.Backup) { s.mu.Lock(); defer s.mu.Unlock(); s.schedule = b }

// ran reads the anchor as the settings do.
func (s *site) ran() error {
	return s.store.View(func(tx *store.Tx) error {
		stored, err := tx.Settings()
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.schedule.LastRun, err = time.Parse(time.RFC3339Nano, stored[string(settings.BackupLastRun)])
		return err
	})
}

func (s *site) machines(from, to int) {
	s.Helper()
	err := s.store.Update(s.Context(), func(tx *store.Tx) error {
		for n := from; n < to; n++ {
			if err := tx.PutMachine(machine.New(machine.MAC{0x52, 0x54, 0, byte(n >> 16), byte(n >> 8), byte(n)}, s.now())); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
}

// backUp makes a backup and waits until it has ended like this.
func (s *site) backUp(want job.Status) State {
	s.Helper()
	state, err := s.Begin(s.Context(), ByHand, netip.Addr{})
	if err != nil {
		s.Fatal(err)
	}
	return s.ended(state.Key, want)
}

func (s *site) ended(id string, want job.Status) State {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	state, err := s.Wait(ctx, id)
	if err != nil || state.Status != want {
		s.Fatalf("%s: %s (%v), %v; want %s", id, state.Status, state.Err, err, want)
	}
	return state
}

// begunAtWork begins a backup and returns once its first bytes are written.
func (s *site) begunAtWork() string {
	s.Helper()
	state, err := s.Begin(s.Context(), ByHand, netip.Addr{})
	if err != nil {
		s.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if now, _ := s.Job(state.Key); now.Detail.Done > 0 && now.Status == job.Running {
			return state.Key
		}
		if time.Now().After(end) {
			s.Fatal("it does not begin")
		}
	}
}

// happened lists the kinds of the events about a backup, oldest first.
func (s *site) happened(id string) string {
	s.Helper()
	var kinds []event.Kind
	subject := event.Backup
	err := s.store.View(func(tx *store.Tx) error {
		found, err := tx.Events(event.Filter{SubjectKind: &subject, SubjectID: &id})
		for _, e := range found {
			kinds = append([]event.Kind{e.Kind}, kinds...)
		}
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return fmt.Sprint(kinds)
}

// onDisk are the names in the backup folder.
func (s *site) onDisk() string {
	s.Helper()
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		s.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return fmt.Sprint(names)
}
