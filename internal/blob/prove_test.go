package blob

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A bit that the disk has lost is found before a machine finds it.
func TestProve(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	good, bad := put(t, s, "good", make([]byte, 3<<20)), put(t, s, "bad", []byte("data"))
	if err := os.WriteFile(dir+"/blobs/"+bad.String(), []byte("dato"), 0o600); err != nil {
		t.Fatal(err)
	}
	if d, found := s.Unproven(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)); found {
		t.Errorf("%s was proven just now", d)
	}
	later := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	if d, found := s.Unproven(later); !found || d != good {
		t.Errorf("%s, %v; the first one is the oldest", d, found)
	}
	if err := s.Prove(t.Context(), good, 1<<40); err != nil {
		t.Error(err)
	}
	if d, _ := s.Unproven(later); d != bad {
		t.Errorf("%s is the oldest now", d)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Prove(stopped, bad, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := s.Prove(t.Context(), bad, 1<<40); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	if err := errors.Join(s.Flush(), s.Prove(t.Context(), bad, 1)); !errors.Is(err, ErrNotHeld) || len(names(t, dir)) != 2 {
		t.Errorf("%v; %v", err, names(t, dir))
	}
	has(t, s, "good", make([]byte, 3<<20))
	lease(t, s, "good")
	if _, found := s.Unproven(later); found {
		t.Error("it is being read")
	}
}

// Who has no descriptor left does not take a good blob for a lost one.
func TestNoDescriptors(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	d := put(t, s, "good", []byte("data"))
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	_, _, leased := s.Lease(d)
	proved := s.Prove(t.Context(), d, 1<<40)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{leased, proved} {
		if !errors.Is(err, unix.EMFILE) {
			t.Error(err)
		}
	}
	if err := s.Flush(); err != nil || len(names(t, dir)) != 2 {
		t.Errorf("%v; %v", err, names(t, dir))
	}
	has(t, s, "good", []byte("data"))
}
