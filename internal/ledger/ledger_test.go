package ledger

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"bty/internal/event"
)

// list is a transaction that keeps what is appended.
type list struct{ events []event.Event }

func (l *list) AppendEvent(e *event.Event) error {
	e.ID = event.ID(len(l.events) + 1)
	l.events = append(l.events, *e)
	return nil
}

func TestOnlyTheLastRunCounts(t *testing.T) {
	var journal bytes.Buffer
	l := New(slog.New(slog.NewTextHandler(&journal, nil)))
	runs := 0
	twice := func(_ context.Context, fn func(*list) error) error {
		return errors.Join(fn(new(list)), fn(new(list)))
	}
	err := Commit(context.Background(), l, twice, func(*list) ([]event.Event, error) {
		runs++
		return []event.Event{{Kind: event.MachineStuck, SubjectKind: event.Machine, SubjectID: "52:54:00:00:00:01", SourceIP: netip.MustParseAddr("::ffff:192.0.2.1"), Summary: "stuck"}}, nil
	})
	if err != nil || runs != 2 || strings.Count(journal.String(), "\n") != 1 || !l.Collect().Changed[event.Machine] {
		t.Errorf("%d runs, announced %q: %v", runs, &journal, err)
	}
	for _, want := range []string{"level=WARN", "msg=stuck", "mac=52:54:00:00:00:01", "remote=192.0.2.1", "event=machine.stuck", "event_id=1"} {
		if !strings.Contains(journal.String(), want) {
			t.Errorf("the journal lacks %s: %s", want, &journal)
		}
	}
}

func TestWhatFailedIsNotTold(t *testing.T) {
	l := New(slog.New(slog.DiscardHandler))
	failing := func(_ context.Context, fn func(*list) error) error {
		_ = fn(new(list))
		return errors.New("the disk is full")
	}
	err := Commit(context.Background(), l, failing, func(*list) ([]event.Event, error) { return []event.Event{{}}, nil })
	if told := l.Collect().Changed; err == nil || len(told) != 0 {
		t.Errorf("%v, told of %v", err, told)
	}
}
