package daemon_test

import (
	"bytes"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"bty/internal/daemon"
)

// proof is what ProveDropped logs, with SYSTEMD_EXEC_PID set to pid.
func proof(pid int, more ...daemon.Right) string {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	daemon.ProveDropped(log, func(name string) string {
		return map[string]string{"SYSTEMD_EXEC_PID": strconv.Itoa(pid)}[name]
	}, more...)
	return out.String()
}

// That the rights are gone is shown in real systemd: internal/testenv/systemd.
func TestRightsThatAreLeftAreNamed(t *testing.T) {
	tried := false
	got := proof(os.Getpid(), daemon.Network, daemon.Right{Name: "flying", Directive: "Wings=", Held: func() bool { tried = true; return false }})
	if strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !tried {
		t.Fatal(got)
	}
	for _, want := range []string{"capabilities (CapabilityBoundingSet=, AmbientCapabilities=)", "any system call (SystemCallFilter=)", "writable code (MemoryDenyWriteExecute=)",
		"set-user-ID files (RestrictSUIDSGID=)", "user namespaces (RestrictNamespaces=)", "debugging (", "mounting (", "real-time priority (", "the network (PrivateNetwork="} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	if strings.Contains(got, "flying") {
		t.Error(got)
	}
}

func TestNothingIsTriedOutsideOfAService(t *testing.T) {
	got := proof(1, daemon.Right{Held: func() bool { t.Error("tried"); return false }})
	if strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=DEBUG") {
		t.Error(got)
	}
}

func TestTryingCostsAndChangesNothing(t *testing.T) {
	before, err := os.ReadDir("/etc")
	if err != nil {
		t.Fatal(err)
	}
	proof(os.Getpid()) // warm
	begun := time.Now()
	proof(os.Getpid(), daemon.Network)
	if d := time.Since(begun); d > 200*time.Millisecond {
		t.Errorf("took %v", d)
	}
	t.Logf("%v", time.Since(begun))
	after, err := os.ReadDir("/etc")
	if err != nil || len(after) != len(before) {
		t.Errorf("%d entries in /etc, %d before (%v)", len(after), len(before), err)
	}
}
