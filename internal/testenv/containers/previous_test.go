package containers

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv/guide"
	"bty/internal/testenv/oldstate"
)

// withPrevious is a host with the folder and the images of the previous system, and what a reader of
// the documents has in dir. The database is of release 0.65, or of one whose catalog is withcache's.
func withPrevious(t *testing.T, dir string, parts ...string) *host {
	t.Helper()
	h := boot(t)
	h.forReaders(dir)
	program, err := BuildPrevious(h.ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := oldstate.Make(t, append([]string{oldstate.V65, oldstate.Site}, parts...)...)
	database, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.GivePrevious(h.ctx, program, map[string]string{"data/bty/state.db": string(database), "data/withcache/catalog.toml": string(oldstate.Catalog()), "data/bty/boot/memtest.efi": "our memtest"}); err != nil {
		t.Fatal(err)
	}
	return h
}

// finding is what the doctor says of the previous system; "" if it says nothing.
func (h *host) finding() (what, next string) {
	h.t.Helper()
	out, _ := h.Try(h.ctx, "bty-lab", "doctor", "--json") // whose exit status speaks of all findings
	var d struct {
		Findings []struct{ ID, What, Next string }
	}
	h.decode(out, &d)
	for _, f := range d.Findings {
		if f.ID == "host.previous-stack" {
			return f.What, f.Next
		}
	}
	return "", ""
}

// stops runs the commands by which the doctor says that the previous system is stopped.
func (h *host) stops(next string) {
	h.t.Helper()
	_, rest, found := strings.Cut(next, "Then: ")
	stop, _, ends := strings.Cut(rest, "; systemctl enable")
	if !found || !ends {
		h.t.Fatalf("there are no commands in %q", next)
	}
	if out, err := h.Command(h.ctx, "bash", "-euc", stop).CombinedOutput(); err != nil {
		h.t.Fatalf("%s: %v\n%s", stop, err, out)
	}
}

// contains holds a text against what it has to say.
func (h *host) contains(what, text string, want ...string) {
	h.t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			h.t.Errorf("%s does not say %q:\n%s", what, w, text)
		}
	}
}

// The previous system as its deployment for root leaves it, under Podman: the doctor knows it and says
// how it is stopped, deploy refuses until that is done, and then its machines are taken over.
func TestPreviousQuadlets(t *testing.T) {
	t.Parallel()
	h := withPrevious(t, "/root/bty", oldstate.To77)
	if err := h.StartPrevious(h.ctx); err != nil {
		t.Fatal(err)
	}
	h.await(url("/version"))
	what, next := h.finding()
	h.contains("the doctor", what, "bty 0.65.4 answers on port 8080", Quadlets+"/bty-web.container", Quadlets+"/nbdmux.container")
	h.contains("the doctor", next, "bty-lab import --dry-run "+Previous+"/data/bty.", "systemctl stop bty-tftp.service bty-web.service nbdmux.service withcache.service")
	if strings.Contains(what, "it has the containers") {
		t.Errorf("the containers of its units are counted twice: %s", what)
	}
	h.fails("the previous system runs", []string{"--images", "/root/bty"}, "The previous system is on this host: bty 0.65.4 answers", "systemctl stop bty-tftp.service", "bty-lab import "+Previous+"/data/bty")
	h.contains("a dry run", h.run("bty-lab", "import", "--dry-run", Previous+"/data/bty"), "and "+Previous+"/data/withcache/catalog.toml of bty 0.77.2", "5 machines are flashed at the next network boot")
	before := h.run("sh", "-c", "cd "+Previous+" && find . -type f -exec sha256sum {} + | sort")

	h.stops(next)
	if what, _ := h.finding(); what != "" {
		t.Errorf("it is stopped, and the doctor says: %s", what)
	}
	h.run("bty-lab", "deploy", "--images", "/root/bty")
	report := h.run("bty-lab", "import", Previous+"/data/bty")
	h.contains("the import", report, "24 imported, 2 changed", "5 machines are flashed", "boot files that are not here: memtest.efi.")
	h.run("bash", "-euc", regexp.MustCompile(`mkdir -p .*`).FindString(report))
	if got := h.get("/boot/memtest.efi"); got != "our memtest" {
		t.Errorf("a boot file that was copied as the report has it is %q", got)
	}
	for mac, want := range map[string]string{"52:54:00:00:04:01": "https://example.com/foo.img.gz", "52:54:00:00:02:01": "interactive", "52:54:00:00:01:01": "exit", "52:54:00:00:03:01": "inventory"} {
		h.contains("the plan of "+mac, h.get("/pxe/"+mac+"/plan"), want)
	}
	if what, _ := h.finding(); what != "" {
		t.Errorf("the appliance is taken for the previous system: %s", what)
	}
	h.run("bty-lab", "purge", "--yes")
	if after := h.run("sh", "-c", "cd "+Previous+" && find . -type f -exec sha256sum {} + | sort"); after != before {
		t.Errorf("the files of the previous system have changed:\n%s\nbefore:\n%s", after, before)
	}
	// And back, as docs/import.md has it.
	h.run("sh", "-euc", "mv /root/bty-before/*.container "+Quadlets+"/; systemctl daemon-reload; systemctl start withcache nbdmux bty-web bty-tftp")
	h.await(url("/version"))
}

// Its compose project, and its bty-web as a mere process.
func TestPreviousOtherwise(t *testing.T) {
	t.Parallel()
	h := withPrevious(t, "/root/bty")
	h.run("sh", "-euc", "cd "+Previous+" && podman-compose --env-file envvars --profile tftp up -d")
	h.await(url("/version"))
	what, next := h.finding()
	h.contains("the doctor", what, "bty 0.65.4 answers on port 8080", "(ghcr.io/safl/withcache:latest)", "(ghcr.io/safl/bty-tftp:0.65.4)")
	h.contains("the doctor", next, "bty-lab import --dry-run "+Previous+"/data/bty.", "cd "+Previous+" && ")
	h.fails("its compose project runs", []string{"--images", "/root/bty"}, "The previous system is on this host", "cd "+Previous+" && ")
	h.stops(next)
	if left := h.run("podman", "ps", "--all", "--format={{.Names}}"); left != "" {
		t.Errorf("there is left: %s", left)
	}
	if what, _ := h.finding(); what != "" {
		t.Errorf("it is stopped, and the doctor says: %s", what)
	}

	// With named volumes, Podman says where these are.
	h.run("podman", "volume", "create", "old-state")
	h.run("podman", "volume", "create", "old-cache")
	state := h.run("podman", "volume", "inspect", "--format={{.Mountpoint}}", "old-state")
	cache := h.run("podman", "volume", "inspect", "--format={{.Mountpoint}}", "old-cache")
	h.run("cp", Previous+"/data/bty/state.db", state)
	h.run("cp", Previous+"/data/withcache/catalog.toml", cache)
	h.run("podman", "run", "-d", "--name=web", "--publish=8080:8080", "--volume=old-state:/var/lib/bty", "ghcr.io/safl/bty-web:0.65.4", "8080")
	h.run("podman", "run", "-d", "--name=cache", "--volume=old-cache:/data", "ghcr.io/safl/withcache:latest")
	h.await(url("/version"))
	_, next = h.finding()
	h.contains("the doctor", next, "bty-lab import --dry-run "+state+".")
	later := oldstate.Make(t, oldstate.V65, oldstate.Site, oldstate.To77)
	h.give(later, "/root/state.db", 0o644)
	h.contains("a dry run", h.run("bty-lab", "import", "--dry-run", "/root/state.db"), "and "+cache+"/catalog.toml of bty 0.77.2")
	h.stops(next)
	h.run("podman", "rm", "web", "cache")

	program, err := BuildPrevious(h.ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h.give(program, "/usr/local/bin/stack", 0o755)
	h.run("systemd-run", "--unit=old", "/usr/local/bin/stack", "8080")
	h.await(url("/version"))
	what, next = h.finding()
	h.contains("the doctor", what+next, "bty 0.65.4 answers on port 8080.", "stop that program")
	h.fails("a process has the port", []string{"--images", "/root/bty"}, "bty 0.65.4 answers on port 8080", "systemctl disable --now old.service")
}

// TestGuidePrevious runs what docs/import.md has for a host on which the previous system runs.
func TestGuidePrevious(t *testing.T) {
	t.Parallel()
	h := withPrevious(t, "/root/bty")
	if err := h.StartPrevious(h.ctx); err != nil {
		t.Fatal(err)
	}
	h.await(url("/version"))
	guide.Test(t, repo, "previous", 2*time.Minute, func(ctx context.Context, script string) (string, error) {
		out, err := h.Command(ctx, "env", "--chdir=/root/bty", "bash", "-c", script).CombinedOutput()
		return string(out), err
	})
	var plan struct{ Mode string }
	if err := json.Unmarshal([]byte(h.get("/pxe/52:54:00:00:04:01/plan")), &plan); err != nil || plan.Mode != "flash" {
		t.Errorf("%v %+v", err, plan)
	}
}

// TestGuidePreviousCompose runs what it has for a compose project of root.
func TestGuidePreviousCompose(t *testing.T) {
	t.Parallel()
	h := withPrevious(t, "/root/bty")
	h.run("bty-lab", "deploy", "--mode", "compose", "--images", "/root/bty")
	h.await(url("/readyz"))
	guide.Test(t, repo, "previous-compose", 2*time.Minute, func(ctx context.Context, script string) (string, error) {
		out, err := h.Command(ctx, "env", "--chdir=/opt/bty", "bash", "-c", script).CombinedOutput()
		return string(out), err
	})
	h.await(url("/readyz"))
	h.contains("the plan", h.get("/pxe/52:54:00:00:04:01/plan"), `"mode":"flash"`)
}
