package store

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"bty/internal/fault"
)

// Work that nobody waits for comes along with a commit.
func TestBesideACommit(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "bty.db"), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Abandon()
	first, two := &request{}, make([]*request, 2)
	for i := range two {
		two[i] = &request{}
		go func() { s.beside <- two[i] }()
	}
	deadline := time.Now().Add(10 * time.Second)
	for n := 0; n < len(two) && time.Now().Before(deadline); {
		batch := s.gather(first)
		if batch[0] != first || len(batch) > 2 {
			t.Fatalf("%d in one commit, want one that is waited for and one beside at most", len(batch))
		}
		if n += len(batch) - 1; n == len(two) {
			return
		}
	}
	t.Error("it never came along")
}

// It is done by itself when there is no other, and not at all once the store stops.
func TestUpdateBeside(t *testing.T) {
	s := fresh(t)
	ctx := context.Background()
	if err := s.UpdateBeside(ctx, putMachine(1)); err != nil || !knows(t, s, 1) {
		t.Fatalf("alone: %v", err)
	}
	if err := s.UpdateBeside(ctx, func(*Tx) error { return errRefused }); !errors.Is(err, errRefused) {
		t.Errorf("its error: %v", err)
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.UpdateBeside(stopped, putMachine(5)); !errors.Is(err, context.Canceled) || knows(t, s, 5) {
		t.Errorf("of a caller that gave up: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.UpdateBeside(ctx, putMachine(6)); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("stopped: %v", err)
	}
}
