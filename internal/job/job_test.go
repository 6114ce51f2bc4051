package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bty/internal/fault"
)

// steps is what a pool said about its jobs, in order.
type steps struct {
	mu   sync.Mutex
	said []string
}

func (s *steps) note(st State[int]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, fmt.Sprintf("%s %s %d", st.Key, st.Status, st.Detail))
}

// run starts a pool whose work is do, and stops it when the test ends.
func run(t *testing.T, workers, kept int, do func(context.Context, *Job[int]) error) (*Pool[int], *steps) {
	said := &steps{}
	p := New(Config[int]{Name: "test", Workers: workers, Kept: kept, Now: time.Now, Log: slog.New(slog.DiscardHandler), Do: do, Changed: said.note})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return p, said
}

func enqueue(t *testing.T, p *Pool[int], keys ...string) {
	t.Helper()
	for _, key := range keys {
		if _, added, err := p.Enqueue(key, 0); err != nil || !added {
			t.Fatalf("%s: added %v, %v", key, added, err)
		}
	}
}

func ended(t *testing.T, p *Pool[int], key string, want Status) State[int] {
	t.Helper()
	s, err := p.Wait(t.Context(), key)
	if err != nil || s.Status != want {
		t.Fatalf("%s: %s %v, %v; want %s", key, s.Status, s.Err, err, want)
	}
	return s
}

// Jobs come in turn, and progress is told at most once a second.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, said := run(t, 1, 0, func(_ context.Context, j *Job[int]) error {
			for range 25 {
				time.Sleep(100 * time.Millisecond)
				j.Update(func(n *int) { *n++ })
			}
			return nil
		})
		enqueue(t, p, "a", "b")
		s := ended(t, p, "b", Completed)
		synctest.Wait()
		want := "[a running 0 a running 10 a running 20 a completed 25 b running 0 b running 10 b running 20 b completed 25]"
		if got := fmt.Sprint(said.said); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
		if s.FinishedAt.Sub(s.StartedAt) != 2500*time.Millisecond || s.StartedAt.Sub(s.QueuedAt) != 2500*time.Millisecond || s.Detail != 25 {
			t.Errorf("%+v", s)
		}
	})
}

func TestWorkersWorkAtOneTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		p, _ := run(t, 3, 0, func(context.Context, *Job[int]) error {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return nil
		})
		enqueue(t, p, "a", "b", "c", "d", "e")
		ended(t, p, "e", Completed)
		if most != 3 {
			t.Errorf("%d at one time", most)
		}
	})
}

func TestSameKey(t *testing.T) {
	release := make(chan struct{})
	p, _ := run(t, 1, 0, func(context.Context, *Job[int]) error { <-release; return nil })
	enqueue(t, p, "a")
	if s, added, err := p.Enqueue("a", 7); err != nil || added || s.Status.Ended() {
		t.Errorf("%+v, added %v, %v", s, added, err)
	}
	close(release)
	ended(t, p, "a", Completed)
	enqueue(t, p, "a") // one that has ended may be begun again
	ended(t, p, "a", Completed)
	if n := len(p.List()); n != 1 {
		t.Errorf("%d jobs", n)
	}
}

func TestCancel(t *testing.T) {
	began := make(chan string)
	p, said := run(t, 1, 0, func(ctx context.Context, j *Job[int]) error {
		began <- j.Key
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), ErrCancelled) {
			t.Errorf("cause %v", context.Cause(ctx))
		}
		return ctx.Err()
	})
	enqueue(t, p, "working", "waiting")
	<-began
	if s, ok := p.Cancel("waiting"); !ok || s.Status != Cancelled {
		t.Errorf("%+v", s)
	}
	if s, ok := p.Cancel("working"); !ok || s.Status == Running && !s.Cancelling {
		t.Errorf("%+v", s)
	}
	ended(t, p, "working", Cancelled)
	if s, ok := p.Cancel("working"); !ok || s.Status != Cancelled { // once more changes nothing
		t.Errorf("%+v", s)
	}
	if _, ok := p.Cancel("unknown"); ok {
		t.Error("there is no such job")
	}
	if _, err := p.Wait(t.Context(), "unknown"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
	said.mu.Lock()
	defer said.mu.Unlock()
	for _, s := range said.said {
		if s == "waiting running 0" {
			t.Error("a job that was cancelled while it waited was begun")
		}
	}
}

// What was finished in spite of a cancellation is finished.
func TestCancelledTooLate(t *testing.T) {
	began, finish := make(chan struct{}), make(chan struct{})
	p, _ := run(t, 1, 0, func(context.Context, *Job[int]) error { close(began); <-finish; return nil })
	enqueue(t, p, "a")
	<-began
	p.Cancel("a")
	close(finish)
	ended(t, p, "a", Completed)
}

func TestFailure(t *testing.T) {
	p, _ := run(t, 1, 0, func(_ context.Context, j *Job[int]) error {
		if j.Key == "panic" {
			panic("out of luck")
		}
		return errors.New("out of space")
	})
	enqueue(t, p, "panic", "error")
	if s := ended(t, p, "panic", Failed); s.Err == nil || s.Err.Error() != "panic: out of luck" {
		t.Errorf("%v", s.Err)
	}
	if s := ended(t, p, "error", Failed); s.Err == nil || s.Err.Error() != "out of space" {
		t.Errorf("%v", s.Err)
	}
}

func TestStop(t *testing.T) {
	began := make(chan struct{})
	p := New(Config[int]{Name: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler), Do: func(ctx context.Context, _ *Job[int]) error {
		close(began)
		<-ctx.Done()
		return context.Cause(ctx)
	}})
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { stopped <- p.Run(ctx) }()
	enqueue(t, p, "working", "waiting")
	<-began
	if err := p.Run(ctx); err == nil {
		t.Error("it runs twice")
	}
	cancel()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	for _, s := range p.List() {
		if s.Status != Cancelled || s.FinishedAt.IsZero() {
			t.Errorf("%+v", s)
		}
	}
	if _, _, err := p.Enqueue("late", 0); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
}

// Neither the queue nor the history grows without bound.
func TestBounds(t *testing.T) {
	release := make(chan struct{})
	p, _ := run(t, 1, 3, func(context.Context, *Job[int]) error { <-release; return nil })
	for n := 0; ; n++ {
		_, _, err := p.Enqueue(fmt.Sprint(n), 0)
		if n == maxPending {
			if fault.KindOf(err) != fault.Unavailable {
				t.Errorf("%v", err)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for n := range maxPending { // cancelled jobs make room for others, again and again
		if n > 10 {
			p.Cancel(fmt.Sprint(n))
		}
	}
	enqueue(t, p, "x", "y")
	close(release)
	ended(t, p, "y", Completed)
	if list := p.List(); len(list) != 3 || list[2].Key != "y" {
		t.Errorf("kept %v", list)
	}
}

// A job has its place while it is put on record, and does not begin before; there is none whose record
// failed, and no record of one that was refused or is there already.
func TestRecordedJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, said := run(t, 1, 0, func(context.Context, *Job[int]) error { return nil })
		_, added, err := p.EnqueueRecorded("a", 1, func() error {
			time.Sleep(time.Minute)
			if s, ok := p.Get("a"); !ok || s.Status != Queued || len(said.said) != 0 {
				t.Errorf("while it is recorded: %v %+v, %v", ok, s, said.said)
			}
			if _, again, err := p.EnqueueRecorded("a", 2, func() error { t.Error("it is recorded twice"); return nil }); again || err != nil {
				t.Errorf("added again: %v %v", again, err)
			}
			return nil
		})
		if !added || err != nil {
			t.Fatal(added, err)
		}
		ended(t, p, "a", Completed)

		no := errors.New("the disk is full")
		waited := make(chan State[int], 1)
		_, added, err = p.EnqueueRecorded("b", 1, func() error {
			go func() { s, _ := p.Wait(context.Background(), "b"); waited <- s }()
			synctest.Wait()
			return no
		})
		if _, ok := p.Get("b"); ok || added || !errors.Is(err, no) {
			t.Errorf("a job without a record: %v %v %v", ok, added, err)
		}
		if s := <-waited; s.Status != Failed || !errors.Is(s.Err, no) {
			t.Errorf("who waited is told %+v", s)
		}
	})
}

// A pool that is full or stops records nothing; one that stops meanwhile has cancelled the job.
func TestRecordedJobsOfAPoolThatStops(t *testing.T) {
	p := New(Config[int]{Name: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler), Do: func(context.Context, *Job[int]) error { t.Error("it began"); return nil }})
	never := func() error { t.Error("it is recorded"); return nil }
	for i := range maxPending - 1 {
		enqueue(t, p, fmt.Sprint(i))
	}
	s, added, err := p.EnqueueRecorded("last", 0, func() error {
		if _, _, err := p.EnqueueRecorded("one more", 0, never); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("it is full: %v", err)
		}
		p.stop()
		return nil
	})
	if !added || err != nil || s.Status != Cancelled {
		t.Errorf("%+v %v %v", s, added, err)
	}
	if _, _, err := p.EnqueueRecorded("late", 0, never); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("it has stopped: %v", err)
	}
}
