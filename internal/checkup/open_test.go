package checkup

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bty/internal/event"
	"bty/internal/ledger"
	"bty/internal/store"
)

// stored hands the real store to the audit log.
type stored struct{ *store.Store }

func (s stored) View(fn func(ledger.Tx) error) error {
	return s.Store.View(func(tx *store.Tx) error { return fn(tx) })
}

func (s stored) Update(ctx context.Context, fn func(ledger.Tx) error) error {
	return s.Store.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

func keys(e event.Event) (names []string) {
	for _, a := range e.Attrs {
		names = append(names, a.Key)
	}
	return names
}

// What was recorded before a restart is known after it: nothing comes a second time.
func TestOpenFindings(t *testing.T) {
	s, err := store.Open(filepath.Join(t.TempDir(), "bty.db"), "test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended; s.Close() })
	if err := s.Index(t.Context()); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	c := New(Config{Book: ledger.Book{Store: stored{s}, Ledger: ledger.New(log), Keep: 1000}, Log: log})
	now := start
	record := func(w *watch, d time.Duration, subjects ...string) (n int) {
		t.Helper()
		for end := now.Add(d); now.Before(end); now = now.Add(every) {
			findings := findingsOf(subjects)
			for _, e := range w.compare(findings, now) {
				n++
				if fields := keys(e); !slices.Equal(fields, []string{"finding", "severity"}) {
					t.Errorf("the journal has %v of it; the catalog names the finding and its severity", fields)
				}
				if err := c.Book.Record(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
		}
		return n
	}
	w := newWatch(c.open())
	if n := record(w, time.Minute, "a", "b") + record(w, 5*time.Minute, "b") + record(w, time.Minute, "b", "c"); n != 4 {
		t.Errorf("%d events: a, b and c come, a goes", n)
	}
	w = newWatch(c.open())
	if n := record(w, 5*time.Minute, "b", "c"); n != 0 {
		t.Errorf("%d events after a restart with nothing new", n)
	}
	w = newWatch(c.open())
	if n := record(w, 5*time.Minute, "a", "c"); n != 2 {
		t.Errorf("%d events: a comes again, b has gone", n)
	}
}
