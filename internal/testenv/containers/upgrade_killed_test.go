//go:build long

package containers

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// bty-lab is killed (kill -9) in each step of an upgrade of containers, and in its way back. A machine asks
// before the next run, which goes on to the end. No row is lost, none of that machine's either, and no request.
func TestUpgradeContainersKilled(t *testing.T) {
	h := upgrading{installed(t)}
	h.release(oldRelease, "")
	h.release(newRelease, "bty/cmd/bty-web")
	for _, daemon := range daemons {
		h.write(Quadlets+"/"+daemon+".container.d/10-image.conf", "[Container]\nImage=localhost/"+daemon+":"+oldRelease+"\n# of the site\n", 0o644)
	}
	h.giveLab()
	h.run("systemctl", "daemon-reload")
	h.run("systemctl", "start", "bty-data-volume.service", "bty-boot-volume.service")
	h.giveState("schema3")
	h.run("systemctl", "start", "bty-web.socket", "bty-tftp.socket")
	h.ready()
	before := h.rows()
	load := h.ask()
	for n, step := range []string{"[1/5]", "[2/5]", "[3/5]", "[4/5]", "[5/5]", "going back"} {
		began := time.Now()
		upgrade := []string{"upgrade", "--timeout=90s", "--mode=quadlet"}
		if step == "going back" {
			said, code := h.btyLab(append(upgrade, "--to="+newRelease)...)
			h.expect(said, code, 0, "Upgraded from "+oldRelease+" to "+newRelease)
			h.killAt(step, append(upgrade, "--back")...)
		} else {
			h.killAt(step, append(upgrade, "--to="+newRelease)...)
		}
		mac := fmt.Sprintf("52:54:00:00:07:%02x", n)
		patient := h.client()
		patient.Timeout = 3 * time.Minute
		if err := get(h.ctx, patient, "/pxe/"+mac); err != nil {
			t.Errorf("while the upgrade is cut off in %s: %v", step, err)
		}
		before.Tables["machines"] = append(before.Tables["machines"], mac)
		if step == "[1/5]" { // nothing was begun
			upgrade = append(upgrade, "--to="+newRelease)
		}
		said, code := h.btyLab(upgrade...)
		if step != "going back" {
			h.expect(said, code, 0, newRelease)
			h.runs(newRelease, before)
			said, code = h.btyLab("upgrade", "--timeout=90s", "--mode=quadlet", "--back")
		}
		h.expect(said, code, 0, oldRelease+" runs again")
		h.runs(oldRelease, before)
		t.Logf("%s: %v", step, time.Since(began))
	}
	load.check()
	if left := strings.Fields(h.run("ls", "-A", "/opt/bty/snapshots")); len(left) > 4 || slices.ContainsFunc(left, func(name string) bool { return strings.HasPrefix(name, ".partial") }) {
		t.Errorf("snapshots: %q", left)
	}
}

// killAt kills bty-lab, and nothing that it started, when it has said that it begins a step.
func (h upgrading) killAt(step string, args ...string) {
	h.t.Helper()
	cmd := h.Command(h.ctx, "bty-lab", args...)
	heard := &heard{word: step, met: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = heard, heard
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-heard.met:
	case <-time.After(time.Minute):
		h.t.Fatalf("bty-lab %v does not come to %q:\n%s", args, step, heard)
	}
	if step != "[5/5]" { // which is a short one
		time.Sleep(100 * time.Millisecond)
	}
	_, _ = h.Try(h.ctx, "pkill", "-KILL", "-x", "-f", "bty-lab upgrade.*") // of this host; it may have ended
	if err := <-ended; err == nil {
		h.t.Logf("the step %q was over before bty-lab could be killed in it", step)
	}
}

// heard waits for a word in what a program says.
type heard struct {
	word string
	met  chan struct{}
	mu   sync.Mutex
	said strings.Builder
	done bool
}

func (u *heard) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.said.Write(p)
	if !u.done && strings.Contains(u.said.String(), u.word) {
		u.done = true
		close(u.met)
	}
	return len(p), nil
}

func (u *heard) String() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.said.String()
}
