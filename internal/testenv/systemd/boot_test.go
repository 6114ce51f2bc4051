package systemd

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
