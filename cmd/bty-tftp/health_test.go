package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The program asks the one that runs, whose socket came from elsewhere, and says so with its exit.
func TestHealth(t *testing.T) {
	h := newHost(t)
	ask := func() (string, int) {
		cmd := exec.Command(program, "--health")
		cmd.Env = append(os.Environ(), h.env...)
		out, _ := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), cmd.ProcessState.ExitCode()
	}
	if said, code := ask(); code != 1 || !strings.HasPrefix(said, "bty-tftp: not healthy: nobody answers") {
		t.Errorf("before: %d, %q", code, said)
	}
	p := h.start()
	if said, code := ask(); code != 0 || !strings.HasPrefix(said, "bty-tftp: healthy: ") || strings.Contains(said, "\n") {
		t.Errorf("while it serves: %d, %q", code, said)
	}
	if code := p.Stop(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	if said, code := ask(); code != 1 {
		t.Errorf("after: %d, %q", code, said)
	}
}
