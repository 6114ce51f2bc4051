package daemon

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/message"
)

func alone(string) string { return "" }

// health is what somebody is told who asks, and whether that is good news.
func health(t *testing.T, name, dir string) (said string, good bool) {
	t.Helper()
	var out bytes.Buffer
	if err := AskHealth(t.Context(), name, dir, &out); err != nil {
		return err.Error(), false
	}
	return strings.TrimSpace(out.String()), true
}

func wantHealth(t *testing.T, name, dir, says string, good bool) {
	t.Helper()
	if said, ok := health(t, name, dir); ok != good || !strings.Contains(said, says) || strings.Contains(said, "\n") {
		t.Errorf("%v, %q; want %v, %q", ok, said, good, says)
	}
}

// It follows the daemon from its first task to its end, and through a second run.
func TestHealth(t *testing.T) {
	dir := t.TempDir()
	wantHealth(t, "bty-web", dir, "nobody answers", false)
	deaf := ListenHealth("bty-web", dir, alone, quiet())
	go func() { time.Sleep(50 * time.Millisecond); _ = deaf.Close() }()
	wantHealth(t, "bty-web", dir, "it ended instead of answering", false)

	h := ListenHealth("bty-web", dir, alone, quiet())
	defer h.Close()
	for range 2 {
		run(t, dir, h)
	}
}

func run(t *testing.T, dir string, h *Health) {
	migrated, ended := make(chan struct{}), make(chan struct{})
	var broken atomic.Bool
	d := &Daemon{Log: quiet(), Health: h, Status: func() string { return "2 machines\nfine" }, Check: func(context.Context) error {
		if broken.Load() {
			return errors.New("the database\ncannot be read")
		}
		return nil
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- d.Run(ctx,
			First("migration", func(context.Context) error { <-migrated; return nil }),
			Func("slow to end", func(ctx context.Context) error { <-ctx.Done(); <-ended; return nil }))
	}()
	eventually(t, dir, "not healthy: it starts: migration", false)
	close(migrated)
	eventually(t, dir, "bty-web: healthy: 2 machines fine", true)
	broken.Store(true)
	wantHealth(t, "bty-web", dir, "not healthy: the database cannot be read", false)
	broken.Store(false)
	wantHealth(t, "bty-web", dir, "healthy", true)
	wantHealth(t, "bty-tftp", dir, "nobody answers", false)
	wantHealth(t, "bty-web", dir+"/other", "nobody answers", false)
	cancel()
	eventually(t, dir, "not healthy: it stops", false)
	close(ended)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func eventually(t *testing.T, dir, says string, good bool) {
	t.Helper()
	said := ""
	for range 500 {
		ok := false
		if said, ok = health(t, "bty-web", dir); ok == good && strings.Contains(said, says) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("it never said %q, but %q", says, said)
}

// Askers who say nothing and do not read keep nobody else from an answer, nor the daemon from its end.
func TestHealthOfManyAskers(t *testing.T) {
	dir := t.TempDir()
	h := ListenHealth("bty-web", dir, alone, quiet())
	defer h.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (&Daemon{Log: quiet(), Health: h}).Run(ctx, Func("work", untilDone)) }()
	for range 50 {
		conn, err := net.Dial("unix", healthAddress("bty-web", dir))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	eventually(t, dir, "healthy", true)
	cancel()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("it does not end")
	}
}

func untilDone(ctx context.Context) error { <-ctx.Done(); return nil }

// Where a service manager watches there is no second door; and a second daemon does not take the
// first one's.
func TestHealthIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	service := func(name string) string {
		return map[string]string{"SYSTEMD_EXEC_PID": strconv.Itoa(os.Getpid())}[name]
	}
	if h := ListenHealth("bty-web", dir, service, quiet()); h != nil || h.Close() != nil {
		t.Error("under a service manager it listens")
	}
	first := ListenHealth("bty-web", dir, alone, quiet())
	defer first.Close()
	var log bytes.Buffer
	if second := ListenHealth("bty-web", dir, alone, slog.New(slog.NewTextHandler(&log, nil))); second != nil {
		t.Error("two daemons have one socket")
	}
	if id := message.HealthMissing.Value.String(); !strings.Contains(log.String(), id) {
		t.Errorf("the log says %s, not %s", &log, id)
	}
}
