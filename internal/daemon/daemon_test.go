package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// manager is a service manager's end of NOTIFY_SOCKET.
func manager(t *testing.T) <-chan string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	heard := make(chan string, 100)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				close(heard)
				return
			}
			heard <- string(buf[:n])
		}
	}()
	return heard
}

func next(t *testing.T, heard <-chan string, prefix string) string {
	t.Helper()
	for {
		select {
		case s := <-heard:
			if strings.HasPrefix(s, prefix) {
				return s
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("the service manager never heard %q", prefix)
		}
	}
}

// step is a task that records when it starts and stops.
type step struct {
	name  string
	log   *journal
	ready chan struct{}
	fail  error
}

type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(s string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, s)
}

func (s *step) String() string         { return s.name }
func (s *step) Ready() <-chan struct{} { return s.ready }
func (s *step) Run(ctx context.Context) error {
	s.log.add("+" + s.name)
	if s.fail != nil {
		return s.fail
	}
	close(s.ready)
	<-ctx.Done()
	s.log.add("-" + s.name)
	return nil
}

func TestTasksStartInOrderAndStopInReverse(t *testing.T) {
	heard := manager(t)
	ctx, cancel := context.WithCancel(t.Context())
	var j journal
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, quiet(), &step{"store", &j, make(chan struct{}), nil}, &step{"http", &j, make(chan struct{}), nil})
	}()
	next(t, heard, "READY=1")
	cancel()
	next(t, heard, "STOPPING=1")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(j.lines, " "); got != "+store +http -http -store" {
		t.Errorf("order: %s", got)
	}
}

func TestFailureStopsTheRestAndIsReturned(t *testing.T) {
	heard := manager(t)
	var j journal
	full := errors.New("disk full")
	err := Run(t.Context(), quiet(), &step{"store", &j, make(chan struct{}), nil}, &step{"http", &j, make(chan struct{}), full})
	if !errors.Is(err, full) || !strings.HasPrefix(err.Error(), "http: ") {
		t.Errorf("got %v", err)
	}
	if got := strings.Join(j.lines, " "); got != "+store +http -store" {
		t.Errorf("order: %s", got)
	}
	if s := next(t, heard, ""); s != "STOPPING=1" {
		t.Errorf("heard %q; READY=1 must not be said", s)
	}
}

func TestWatchdogIsFedOnlyWhileTheCheckPasses(t *testing.T) {
	heard := manager(t)
	t.Setenv("WATCHDOG_USEC", "40000")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	checks := 0
	failing := make(chan struct{})
	d := &Daemon{Log: quiet(), Check: func(context.Context) error {
		if checks++; checks <= 2 {
			return nil
		}
		if checks == 5 {
			close(failing)
		}
		return errors.New("deadlocked")
	}}
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	next(t, heard, "WATCHDOG=1")
	next(t, heard, "WATCHDOG=1")
	<-failing
	cancel()
	if s := next(t, heard, ""); s != "STOPPING=1" {
		t.Errorf("heard %q after the check began to fail", s)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestReload(t *testing.T) {
	heard := manager(t)
	hup := make(chan struct{})
	results := []error{nil, errors.New("bad\nvalue")}
	ctx, cancel := context.WithCancel(t.Context())
	d := &Daemon{Log: quiet(), Hangup: hup, Reload: func(context.Context) error {
		err := results[0]
		results = results[1:]
		return err
	}}
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	next(t, heard, "READY=1")
	hup <- struct{}{}
	if s := next(t, heard, "RELOADING=1"); !strings.Contains(s, "MONOTONIC_USEC=") {
		t.Errorf("%q has no time stamp: Type=notify-reload would hang", s)
	}
	next(t, heard, "READY=1")
	hup <- struct{}{}
	if s := next(t, heard, "READY=1\n"); !strings.Contains(s, "STATUS=reload failed: bad value\n") {
		t.Errorf("heard %q", s)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestLateTaskDoesNotHoldTheOthers(t *testing.T) {
	var j journal
	held := make(chan struct{})
	defer close(held)
	ctx, cancel := context.WithCancel(t.Context())
	d := &Daemon{Log: quiet(), StopTimeout: 20 * time.Millisecond}
	done := make(chan error, 1)
	store := &step{"store", &j, make(chan struct{}), nil}
	stuck := Func("stuck", func(context.Context) error { cancel(); <-held; return nil })
	go func() { done <- d.Run(ctx, store, stuck) }()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "stuck did not stop") {
		t.Errorf("got %v", err)
	}
	if got := strings.Join(j.lines, " "); got != "+store -store" {
		t.Errorf("order: %s", got)
	}
}

func TestExit(t *testing.T) {
	var out strings.Builder
	if code := Exit("x", nil, io.Discard); code != 0 {
		t.Error(code)
	}
	if code := Exit("bty-x", errors.New("no"), &out); code != 1 || out.String() != "bty-x: no\n" {
		t.Error(code, out.String())
	}
	if code := Exit("bty-x", UsageError{Err: errors.New("no")}, io.Discard); code != 2 {
		t.Error("a wrong command line:", code)
	}
	for _, tool := range []string{"exit 2", "kill -9 $$"} {
		err := exec.CommandContext(t.Context(), "sh", "-c", tool).Run()
		if code := Exit("bty-x", fmt.Errorf("some tool: %w", err), io.Discard); code != 1 {
			t.Errorf("a tool with %q: %d", tool, code)
		}
	}
}
