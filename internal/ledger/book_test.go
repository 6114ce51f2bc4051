package ledger

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"bty/internal/event"
	"bty/internal/store"
)

// The test binary plays the process that is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv("BTY_LEDGER_FOLDS"); path != "" {
		foldAndWait(path)
	}
	os.Exit(m.Run())
}

// stored hands the real store to the audit log.
type stored struct{ *store.Store }

func (s stored) View(fn func(Tx) error) error {
	return s.Store.View(func(tx *store.Tx) error { return fn(tx) })
}

func (s stored) Update(ctx context.Context, fn func(Tx) error) error {
	return s.Store.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

// openBook opens the audit log of a database a week after the events of the tests.
func openBook(path string) (Book, error) {
	s, err := store.Open(path, "test")
	if err != nil {
		return Book{}, err
	}
	go s.Run(context.Background())
	return Book{Store: stored{s}, Ledger: New(slog.New(slog.DiscardHandler)), Keep: 100_000,
		Now: func() time.Time { return monday.AddDate(0, 0, 14) }}, s.Index(context.Background())
}

func book(t *testing.T, path string) Book {
	t.Helper()
	b, err := openBook(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Store.(stored).Close() })
	return b
}

func (b Book) fill(t *testing.T, log []event.Event) {
	t.Helper()
	err := b.Store.Update(context.Background(), func(tx Tx) error {
		for _, e := range log {
			if err := tx.AppendEvent(&e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (b Book) all(t *testing.T) []event.Event {
	t.Helper()
	all, err := b.Events(event.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestOldContactsAreFolded(t *testing.T) {
	b := book(t, filepath.Join(t.TempDir(), "bty.db"))
	log := someLog(rand.New(rand.NewPCG(1, 1)), 1000)
	b.fill(t, log)
	want, others := tally(t, log), rest(log)
	if err := b.FoldContacts(context.Background()); err != nil {
		t.Fatal(err)
	}
	all := b.all(t)
	if got := tally(t, all); !same(got, want) || len(all) != len(want)+len(others) {
		t.Errorf("%d rows, want %d and %d others", len(all), len(want), len(others))
	}
	if n, err := b.Count(event.Filter{}); err != nil || n != len(all) {
		t.Errorf("%d events are counted, %d are there: %v", n, len(all), err)
	}
}

// Of a machine that asks and asks, the newest contacts stay one row each.
func TestManyContactsAreFolded(t *testing.T) {
	b := book(t, filepath.Join(t.TempDir(), "bty.db"))
	b.Now = func() time.Time { return monday.Add(time.Hour) }
	var log []event.Event
	for i := range 3*foldKeep + 10 {
		log = append(log, event.Event{At: monday.Add(time.Duration(i) * time.Second), Kind: event.PXEOffered, SubjectKind: event.Machine, SubjectID: "52:54:00:00:00:01", Actor: event.Client})
	}
	log = append(log, event.Event{At: monday, Kind: event.PXEOffered, SubjectKind: event.Machine, SubjectID: "52:54:00:00:00:02"})
	b.fill(t, log)
	for range 2 {
		if err := b.FoldContacts(context.Background()); err != nil {
			t.Fatal(err)
		}
		folded := event.ContactsFolded
		rows, err := b.Events(event.Filter{Kind: &folded})
		if err != nil || len(rows) != 1 || rows[0].ID != 2*foldKeep+10 || len(b.all(t)) != foldKeep+2 {
			t.Fatalf("%+v, %d rows in all: %v", rows, len(b.all(t)), err)
		}
		if f, ok := asFolded(rows[0]); !ok || f.Count != 2*foldKeep+10 {
			t.Errorf("%+v", f)
		}
	}
}

func TestRetention(t *testing.T) {
	fill := func(t *testing.T) Book {
		b := book(t, filepath.Join(t.TempDir(), "bty.db"))
		var log []event.Event
		for i := range 1000 {
			log = append(log, event.Event{At: monday.Add(time.Duration(i) * time.Hour), Kind: event.MachineFlashed})
		}
		b.fill(t, log)
		b.Now = func() time.Time { return monday.Add(1000 * time.Hour) }
		return b
	}
	for _, test := range []struct {
		name string
		keep uint64
		days int
		want int
	}{{"neither", 5000, 0, 1000}, {"count", 300, 0, 300}, {"age", 5000, 10, 240}, {"both", 100, 10, 100}, {"age of all", 5000, 100, 1000}} {
		t.Run(test.name, func(t *testing.T) {
			b := fill(t)
			b.Keep, b.KeepDays = test.keep, func() int { return test.days }
			began := time.Now()
			a := newAge(began)
			for _, now := range []time.Time{began, began.AddDate(0, 0, 2)} {
				if err := b.trimAged(context.Background(), a, now); err != nil {
					t.Fatal(err)
				}
			}
			all := b.all(t)
			if len(all) != test.want || all[0].ID != 1000 {
				t.Errorf("%d events are left, want %d", len(all), test.want)
			}
		})
	}
}

// foldAndWait folds a log, and goes on until it is killed.
func foldAndWait(path string) {
	b, err := openBook(path)
	if err == nil {
		fmt.Println("open")
		err = b.FoldContacts(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	time.Sleep(time.Hour)
}

// A process that is killed while it folds, again and again, counts no contact twice and loses none.
func TestKilledWhileFolding(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bty.db")
	log := someLog(rand.New(rand.NewPCG(2, 2)), 3000)
	want, others := tally(t, log), rest(log)
	b, err := openBook(path)
	if err != nil {
		t.Fatal(err)
	}
	b.fill(t, log)
	if err := b.Store.(stored).Close(); err != nil {
		t.Fatal(err)
	}
	partly := 0
	for n := range 12 {
		killFolding(t, path, time.Duration(5+15*n)*time.Millisecond)
		b, err := openBook(path)
		if err != nil {
			t.Fatal(err)
		}
		all := b.all(t)
		if got := tally(t, all); !same(got, want) || len(rest(all)) != len(others) {
			t.Fatalf("after kill %d the sums are wrong: %d rows", n, len(all))
		}
		if len(all) < len(log) && len(all) > len(want)+len(others) {
			partly++
		}
		if err := b.Store.(stored).Close(); err != nil {
			t.Fatal(err)
		}
	}
	if partly == 0 {
		t.Error("it was never killed in the middle; the test shows nothing")
	}
}

func killFolding(t *testing.T, path string, after time.Duration) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env, cmd.Stderr = append(os.Environ(), "BTY_LEDGER_FOLDS="+path), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("open\n"))); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	_ = cmd.Process.Signal(syscall.SIGKILL)
	_ = cmd.Wait() // it was killed
}
