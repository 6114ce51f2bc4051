package ledger

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"bty/internal/event"
	"bty/internal/machine"
	"bty/internal/wire"
)

func TestWorkerStates(t *testing.T) {
	n := newNews()
	begin := time.Unix(1_800_000_000, 0)
	say := func(key, status string, after time.Duration) {
		n.worker(wire.WorkerState{Kind: "backup", Key: key, Status: status}, begin.Add(after))
	}
	say("a", "queued", 0)
	say("a", "running", 1)
	say("a", "running", 2) // too soon
	say("b", "running", 3)
	say("a", "running", 2*time.Second)
	say("a", "done", 2*time.Second+1)
	var got []string
	for _, s := range n.workers {
		got = append(got, s.Key+" "+s.Status)
	}
	if want := []string{"a queued", "a running", "b running", "a running", "a done"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestCollect(t *testing.T) {
	l := New(slog.New(slog.DiscardHandler))
	for i := range int64(100) {
		l.Progress(machine.MAC{2}, wire.Progress{Stage: "write", Bytes: i})
		l.Progress(machine.MAC{1}, wire.Progress{Stage: "write", Bytes: i})
	}
	l.announce(&event.Event{SubjectKind: event.Machine})
	<-l.Wake()
	got := l.Collect()
	if len(got.Progress) != 2 || got.Progress[0].MAC != "02:00:00:00:00:00" || got.Progress[1].Bytes != 99 || !got.Changed[event.Machine] || len(got.Changed) != 1 {
		t.Errorf("%+v", got)
	}
	if again := l.Collect(); len(again.Progress)+len(again.Workers)+len(again.Changed) != 0 {
		t.Errorf("told twice: %+v", again)
	}
	select {
	case <-l.Wake():
		t.Error("woken for nothing")
	default:
	}
}

// Whoever does not collect costs no memory.
func TestNewsIsBounded(t *testing.T) {
	l := New(slog.New(slog.DiscardHandler))
	for i := range 3 * maxWorkers {
		l.Worker("release", fmt.Sprint(i), "running")
	}
	got := l.Collect()
	if len(got.Workers) != maxWorkers || !got.Lost || got.Workers[maxWorkers-1].Key != fmt.Sprint(3*maxWorkers-1) || len(l.news.told) > maxWorkers {
		t.Errorf("%d states, lost %v", len(got.Workers), got.Lost)
	}
}
