//go:build long

package containers

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A deployment that is killed at each of its steps is taken away by a purge, or done to the end by the
// next run; a purge that is killed at each of its own ends in nothing left.
func TestDeployKilledEverywhere(t *testing.T) {
	t.Parallel()
	h := boot(t)
	h.giveLab()
	h.run("podman", "info")
	before := h.listing()
	deploy := []string{"deploy", "--images", imagesInside}
	steps := h.steps(append(deploy, "--dry-run", "--json")...)
	for n, step := range steps {
		begun := time.Now()
		if !h.killedAt(step, deploy...) {
			t.Fatalf("a first deployment does not come to %s", step)
		}
		h.run("timeout", "60", "sh", "-c", "while pidof podman >/dev/null; do sleep 0.1; done") // it goes on by itself
		h.run("bty-lab", "purge", "--yes")
		if n == 0 { // between the folder and the record in it there is nothing to purge by
			h.run("sh", "-c", "rm -f /opt/bty/.deploy.json.new-*; rmdir /opt/bty 2>/dev/null || test ! -e /opt/bty")
		}
		h.isPurged(before)
		h.killedAt(step, deploy...)
		var got struct{ Password string }
		h.decode(h.run("bty-lab", append(deploy, "--json")...), &got)
		if got.Password != "" {
			h.signIn(got.Password)
		}
		h.deploysNothing()
		h.run("bty-lab", "purge", "--yes")
		h.isPurged(before)
		t.Logf("[%d/%d] %s: %v", n+1, len(steps), step, time.Since(begun).Round(time.Millisecond))
	}
	h.run("bty-lab", deploy...)
	for n := 1; ; n++ {
		left := h.steps("purge", "--yes", "--dry-run", "--json")
		if n > len(left) {
			break
		}
		if !h.killedAt(left[n-1], "purge", "--yes") {
			t.Fatalf("the purge does not come to %s", left[n-1])
		}
		t.Logf("purge killed at %s", left[n-1])
	}
	h.run("bty-lab", "purge", "--yes")
	h.isPurged(before)
}

// steps are what a command would do.
func (h *host) steps(args ...string) (steps []string) {
	h.t.Helper()
	var plan struct {
		Steps []struct{ Step, Detail string }
	}
	text := h.run("bty-lab", args...)
	if !strings.HasPrefix(text, "{") {
		h.t.Fatalf("bty-lab %v: %s", args, text)
	}
	h.decode(text, &plan)
	for _, s := range plan.Steps {
		steps = append(steps, fmt.Sprintf("%s: %s", s.Step, s.Detail))
	}
	return steps
}
