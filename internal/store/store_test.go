package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/machine"
)

var errRefused = errors.New("refused by the test")

// open opens the database at path and runs its committer until the test ends.
func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path, "test")
	if err != nil {
		t.Fatal(err)
	}
	go s.Run(context.Background())
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func fresh(t testing.TB) *Store { return open(t, filepath.Join(t.TempDir(), "bty.db")) }

func mac(n int) machine.MAC { return machine.MAC{0x52, 0x54, 0, byte(n >> 16), byte(n >> 8), byte(n)} }

func putMachine(n int) func(*Tx) error {
	return func(tx *Tx) error { return tx.PutMachine(machine.New(mac(n), time.Unix(int64(n), 0).UTC())) }
}

func knows(t *testing.T, s *Store, n int) bool {
	t.Helper()
	var found bool
	err := s.View(func(tx *Tx) (err error) { _, found, err = tx.Machine(mac(n)); return err })
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// hold queues an Update that keeps the committer busy until the returned function is called, so
// that what is queued meanwhile gathers.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	entered, let := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var done sync.WaitGroup
	done.Go(func() {
		_ = s.Update(context.Background(), func(*Tx) error {
			once.Do(func() { close(entered) })
			<-let
			return nil
		})
	})
	<-entered
	return func() { close(let); done.Wait() }
}

// queued waits until n updates wait for the committer.
func queued(t *testing.T, s *Store, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); len(s.queue) != n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d updates are queued, want %d", len(s.queue), n)
		}
	}
}

func TestConcurrentUpdatesShareCommits(t *testing.T) {
	s := fresh(t)
	release := hold(t, s)
	const callers = 300
	var work sync.WaitGroup
	for i := range callers {
		work.Go(func() {
			if err := s.Update(context.Background(), putMachine(i)); err != nil {
				t.Error(err)
			}
		})
	}
	queued(t, s, callers)
	before := s.Commits()
	release()
	work.Wait()
	if n := s.Commits() - before; n > 2 { // the one that held, and the one that took all the others
		t.Errorf("%d updates took %d commits", callers, n)
	}
	for i := range callers {
		if !knows(t, s, i) {
			t.Fatalf("machine %d is not there", i)
		}
	}
}

func TestFailingUpdates(t *testing.T) {
	tests := []struct {
		name string
		fail func(*Tx) error
		runs int64 // of the innocent neighbour before it
	}{
		{"before it wrote", func(*Tx) error { return errRefused }, 1},
		{"after it wrote", func(tx *Tx) error { return errors.Join(putMachine(999)(tx), errRefused) }, 2},
		{"after an event", func(tx *Tx) error { return errors.Join(tx.AppendEvent(&event.Event{}), errRefused) }, 2},
		{"by a panic", func(tx *Tx) error { _ = putMachine(999)(tx); panic("broken use case") }, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := fresh(t)
			release := hold(t, s)
			var work sync.WaitGroup
			var runs atomic.Int64
			update := func(fn func(*Tx) error, want error) {
				waiting := len(s.queue)
				work.Go(func() {
					if err := s.Update(context.Background(), fn); !errors.Is(err, want) && !(test.name == "by a panic" && want != nil && err != nil) {
						t.Errorf("got error %v, want %v", err, want)
					}
				})
				queued(t, s, waiting+1)
			}
			update(func(tx *Tx) error { runs.Add(1); return putMachine(1)(tx) }, nil)
			update(test.fail, errRefused)
			update(putMachine(2), nil)
			update(test.fail, errRefused)
			update(putMachine(3), nil)
			release()
			work.Wait()
			for n, want := range map[int]bool{1: true, 2: true, 3: true, 999: false} {
				if knows(t, s, n) != want {
					t.Errorf("machine %d is there: %t, want %t", n, !want, want)
				}
			}
			if got := runs.Load(); got < test.runs || got > 3 {
				t.Errorf("the neighbour ran %d times, want %d to 3", got, test.runs)
			}
			if err := s.Update(context.Background(), putMachine(4)); err != nil {
				t.Errorf("the store does not go on: %v", err)
			}
		})
	}
}

func TestNothingWrittenIsNoCommit(t *testing.T) {
	s := fresh(t)
	if err := s.Update(context.Background(), func(*Tx) error { return errRefused }); !errors.Is(err, errRefused) {
		t.Fatal(err)
	}
	if err := s.Update(context.Background(), func(*Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if n := s.Commits(); n != 0 {
		t.Errorf("%d commits for updates that wrote nothing", n)
	}
}

func TestEventIDsHaveNoHoles(t *testing.T) {
	s := fresh(t)
	var work sync.WaitGroup
	for i := range 200 {
		work.Go(func() {
			_ = s.Update(context.Background(), func(tx *Tx) error {
				if err := tx.AppendEvent(&event.Event{Summary: fmt.Sprint(i)}); err != nil || i%7 != 0 {
					return err
				}
				return errRefused
			})
		})
	}
	work.Wait()
	want := event.ID(0)
	err := s.View(func(tx *Tx) error {
		found, err := tx.Events(event.Filter{})
		for i := len(found) - 1; i >= 0; i-- {
			if want++; found[i].ID != want {
				return fmt.Errorf("event %d follows %d", found[i].ID, want-1)
			}
		}
		return err
	})
	if err != nil || want != 200-29 {
		t.Errorf("%d events, %v", want, err)
	}
}

func TestUpdateAfterClose(t *testing.T) {
	s := fresh(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	err := s.Update(context.Background(), putMachine(1))
	if fault.KindOf(err) != fault.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestCloseCommitsWhatIsQueued(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bty.db")
	s := open(t, path)
	release := hold(t, s)
	var work sync.WaitGroup
	var acknowledged sync.Map
	for i := range 50 {
		work.Go(func() {
			if s.Update(context.Background(), putMachine(i)) == nil {
				acknowledged.Store(i, true)
			}
		})
	}
	queued(t, s, 50)
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	release()
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	work.Wait()
	again := open(t, path)
	for i := range 50 {
		if _, ok := acknowledged.Load(i); !ok {
			t.Errorf("update %d was queued before Close and not committed", i)
		} else if !knows(t, again, i) {
			t.Errorf("update %d was acknowledged and is lost", i)
		}
	}
}

func TestCancelledContext(t *testing.T) {
	s := fresh(t)
	ctx, cancel := context.WithCancel(context.Background())
	release := hold(t, s)
	after := make(chan error)
	go func() { after <- s.Update(ctx, putMachine(1)) }()
	queued(t, s, 1)
	cancel()
	release()
	if err := <-after; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while it waited: %v", err)
	}
	if knows(t, s, 1) {
		t.Error("an update whose caller gave up while it waited was carried out")
	}
	if err := s.Update(ctx, putMachine(2)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	if knows(t, s, 2) {
		t.Error("an update whose context was done before it began was carried out")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "bty.db"), "test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	if err := s.Update(ctx, putMachine(1)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := s.Update(context.Background(), putMachine(2)); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTrimEvents(t *testing.T) {
	tests := []struct{ events, keep, limit, want int }{
		{0, 10, 10, 0}, {5, 10, 10, 0}, {10, 10, 10, 0}, {11, 10, 10, 1}, {500, 10, 100, 100},
		{3000, 1000, 2500, 2000}, {3000, 2999, 100, 1}, {3000, 1, 5000, 2999},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			s := fresh(t)
			fillEvents(t, s, test.events)
			var deleted int
			err := s.Update(context.Background(), func(tx *Tx) (err error) {
				deleted, err = tx.TrimEvents(uint64(test.keep), time.Time{}, test.limit)
				return err
			})
			if err != nil || deleted != test.want {
				t.Fatalf("deleted %d, want %d: %v", deleted, test.want, err)
			}
			next := test.events
			err = s.View(func(tx *Tx) error {
				return tx.EachEventBack(0, func(e event.Event) (bool, error) {
					if int(e.ID) != next {
						return false, fmt.Errorf("event %d, want %d", e.ID, next)
					}
					next--
					return true, nil
				})
			})
			if err != nil || next != test.want {
				t.Errorf("the oldest left is %d, want %d: %v", next+1, test.want+1, err)
			}
			check(t, s)
		})
	}
}

func fillEvents(t testing.TB, s *Store, n int) {
	t.Helper()
	err := s.Update(context.Background(), func(tx *Tx) error {
		for range n {
			e := event.Event{Kind: event.PXEOffered, SubjectKind: event.Machine, SubjectID: mac(1).String(), Summary: "52:54:00:00:00:01 asked what to boot: the boot mode is ipxe-exit"}
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

// check runs bbolt's own check of the whole file.
func check(t *testing.T, s *Store) {
	t.Helper()
	err := s.db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			return err
		}
		return nil
	})
	if err != nil {
		t.Errorf("bbolt's check: %v", err)
	}
}

func TestEventPages(t *testing.T) {
	s := fresh(t)
	fillEvents(t, s, 100)
	kind, other := event.PXEOffered, event.MachineDeleted
	tests := []struct {
		name        string
		filter      event.Filter
		first, last event.ID
		n           int
	}{
		{"all", event.Filter{}, 100, 1, 100},
		{"limit", event.Filter{Limit: 10}, 100, 91, 10},
		{"before", event.Filter{Before: 50, Limit: 10}, 49, 40, 10},
		{"before the first", event.Filter{Before: 1}, 0, 0, 0},
		{"before beyond the last", event.Filter{Before: 101, Limit: 1}, 100, 100, 1},
		{"before far beyond", event.Filter{Before: 1 << 62, Limit: 1}, 100, 100, 1},
		{"after", event.Filter{After: 97}, 100, 98, 3},
		{"after the last", event.Filter{After: 100}, 0, 0, 0},
		{"between", event.Filter{Before: 50, After: 45}, 49, 46, 4},
		{"kind", event.Filter{Kind: &kind, Limit: 2}, 100, 99, 2},
		{"no such kind", event.Filter{Kind: &other}, 0, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var found []event.Event
			if err := s.View(func(tx *Tx) (err error) { found, err = tx.Events(test.filter); return err }); err != nil {
				t.Fatal(err)
			}
			if len(found) != test.n || test.n > 0 && (found[0].ID != test.first || found[test.n-1].ID != test.last) {
				t.Errorf("%d events: %v", len(found), found)
			}
		})
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := fresh(b)
			b.SetParallelism(callers)
			var n atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := s.Update(context.Background(), putMachine(int(n.Add(1))%1000)); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func BenchmarkTrimEvents(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s := fresh(b)
		fillEvents(b, s, 5000)
		b.StartTimer()
		_ = s.Update(context.Background(), func(tx *Tx) error { _, err := tx.TrimEvents(1000, time.Time{}, 2000); return err })
	}
}
