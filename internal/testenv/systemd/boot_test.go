package systemd

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/roots"
)

// A booted host has a systemd of its own with nothing failed, is on the LAN, and is gone when the test
// ends: no process, no mount, no control group, no namespace.
func TestBoot(t *testing.T) {
	for _, suite := range suites {
		var gone *host
		t.Run(suite, func(t *testing.T) {
			h := boot(t, suite)
			gone = h
			if failed := h.run("systemctl", "--failed", "--plain", "--no-legend"); failed != "" {
				t.Errorf("units failed at boot:\n%s", failed)
			}
			t.Log(strings.Split(h.run("systemctl", "--version"), "\n")[0])
			h.enable()
			answer, err := h.client(false).Get(url("/healthz"))
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if body, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != 200 {
				t.Errorf("%s, %v: %s", answer.Status, err, body)
			}
		})
		if gone != nil {
			gone.checkNothingLeft(t)
		}
	}
}

// A run that was killed leaves a whole Debian behind; the next run removes it.
func TestKilledRunIsSwept(t *testing.T) {
	h := boot(t, roots.Bookworm)
	if os.Getenv("BTY_TESTENV_VICTIM") != "" {
		fmt.Println("LAN", h.LAN.Name, h.leader)
		select {} // until killed
	}
	log := testenv.NewLog("victim")
	victim := exec.Command(os.Args[0], "-test.run", "^TestKilledRunIsSwept$")
	victim.Env = append(os.Environ(), "BTY_TESTENV_VICTIM=yes")
	victim.Stdout, victim.Stderr = log, log
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	match, err := log.Expect(t.Context(), 2*time.Minute, `^LAN (\S+) (\d+)$`)
	if err != nil {
		t.Fatal(err, log.Tail(20))
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait() // killed, as wanted
	dead := &host{Host: &Host{LAN: &testenv.LAN{Name: match[1], Dir: filepath.Join(os.TempDir(), match[1])}}}
	if dead.leader, err = strconv.Atoi(match[2]); err != nil {
		t.Fatal(err)
	}
	next, err := testenv.OpenLAN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	dead.checkNothingLeft(t)
	h.run("true")
}

// checkNothingLeft looks for traces of a host that was closed.
func (h *host) checkNothingLeft(t *testing.T) {
	t.Helper()
	for _, pattern := range []string{h.LAN.Dir, "/run/netns/" + h.LAN.Name + "*", "/sys/fs/cgroup/" + h.LAN.Name,
		"/sys/fs/cgroup/*/" + h.LAN.Name, "/run/systemd/nspawn/*/" + h.LAN.Name} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			t.Errorf("left over: %v", found)
		}
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), h.LAN.Name) {
		t.Errorf("a mount is left over, or %v", err)
	}
	if _, err := os.Stat(h.inside("/")); err == nil {
		t.Error("the container's PID 1 is still there")
	}
}
