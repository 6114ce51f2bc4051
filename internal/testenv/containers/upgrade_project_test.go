package containers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bty/compose"
)

// An ordinary user's compose project, as a release left it that knew no control socket, is killed in the middle of
// an upgrade, taken up, undone and upgraded again: compose.yml goes with the release, no row is lost, and
// bty-lab reaches the server.
func TestUpgradeProject(t *testing.T) {
	t.Parallel()
	h := upgrading{boot(t)}
	alice, err := h.AddUser(h.ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{oldRelease, newRelease} {
		h.release(version, "bty/cmd/bty-web")
		h.archives(version)
		h.labOf(version)
	}
	run := func(script string) string {
		t.Helper()
		out, err := alice.Try(h.ctx, script+" 2>&1")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return out
	}
	run("bty-lab-" + oldRelease + "/bty-lab deploy --images /srv/" + oldRelease)
	dir := alice.Home + "/bty"
	h.asBefore(dir)
	run("cd bty && podman-compose down && podman volume rm bty-control && podman-compose up -d bty-web bty-cache")
	h.await(url("/readyz"))
	macs := []string{"52:54:00:00:04:01", "52:54:00:00:04:02"}
	for _, mac := range macs {
		h.get("/pxe/" + mac)
	}
	lab := "bty-lab-" + newRelease + "/bty-lab "
	upgrade := lab + "upgrade --timeout=90s --images=/srv/" + newRelease

	// Killed once the server was stopped: what it has begun goes on by itself or not.
	run(upgrade + " >log 2>&1 & until grep -q '3/5. switch' log; do sleep 0.02; done; sleep 0.7; kill -KILL $(pidof bty-lab); wait; ! grep Upgraded log")
	said := run(upgrade)
	for _, want := range []string{"was cut off while switching; taking it up", "Upgraded from " + oldRelease + " to " + newRelease, "no row was lost"} {
		if !strings.Contains(said, want) {
			t.Errorf("the upgrade does not say %q:\n%s", want, said)
		}
	}
	shipped, err := compose.Files.ReadFile("compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	is := func(version, file string) {
		t.Helper()
		h.await(url("/readyz"))
		if image := run("podman inspect --format={{.ImageName}} bty-web"); image != "localhost/bty-web:"+version {
			t.Errorf("%s runs, not %s", image, version)
		}
		if run("cat bty/compose.yml") != strings.TrimRight(file, "\n") {
			t.Errorf("%s: compose.yml is not the release's", version)
		}
	}
	is(newRelease, string(shipped))
	if said := run(lab + "deploy"); !strings.Contains(said, "Nothing was changed") {
		t.Errorf("deploy after the upgrade says:\n%s", said)
	}

	// Over the control socket, in the user's volume.
	said = run(lab + "backup && " + lab + "backups && " + lab + "reload && " + lab + "doctor; true")
	id := regexp.MustCompile(`backup (\S+) made: 2 machines`).FindStringSubmatch(said)
	if id == nil || !strings.Contains(said, "nothing has changed") || !strings.Contains(said, "TCP port 3000 is held by bty-cache.") || strings.Contains(said, "Nobody listens") {
		t.Fatalf("bty-lab does not reach the server:\n%s", said)
	}
	run(lab + "restore --yes " + id[1])

	for _, way := range []string{lab + "upgrade --timeout=90s --back", upgrade} {
		refused := h.refused()
		said = run(way)
		t.Logf("requests were refused for %v: %s", refused().Round(10*time.Millisecond), way)
		if strings.Contains(way, "--back") {
			is(oldRelease, withoutControl(string(shipped)))
		}
	}
	is(newRelease, string(shipped))
	for _, mac := range macs {
		if said := run("podman unshare grep -c " + mac + " $(podman volume inspect --format={{.Mountpoint}} bty-data)/bty.db"); said == "0" {
			t.Errorf("%s is lost", mac)
		}
	}

	run("echo 'x-site: mine' >>bty/compose.yml")
	if said := run(lab + "upgrade --dry-run --to=" + newRelease); strings.Contains(said, "compose.yml stays") {
		t.Errorf("nothing is to be upgraded:\n%s", said)
	}
	run(lab + "purge --yes")
	if left := run("podman volume ls --quiet; podman ps --all --quiet; test ! -e bty || ls -AR bty"); left != "" {
		t.Errorf("the purge leaves %s", left)
	}
}

// archives writes a release's images to /srv, as make image would.
func (h upgrading) archives(version string) {
	h.t.Helper()
	folder := "/srv/" + version
	h.run("mkdir", "-p", folder)
	for _, daemon := range []string{"bty-web", "bty-cache"} {
		archive := folder + "/" + daemon + ".x86_64.tar"
		h.run("podman", "save", "--quiet", "--format=oci-archive", "--output="+archive, "localhost/"+daemon+":"+version)
		h.run("chmod", "a+r", archive)
	}
}

// labOf puts the bty-lab of a release in a folder of alice's that is named after it.
func (h upgrading) labOf(version string) {
	h.t.Helper()
	program := filepath.Join(h.t.TempDir(), "bty-lab")
	compile := exec.CommandContext(h.ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X bty/internal/build.Version="+version, "-o", program, "bty/cmd/bty-lab")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		h.t.Fatalf("building bty-lab %s: %v\n%s", version, err, out)
	}
	h.give(program, "/home/alice/bty-lab-"+version+"/bty-lab", 0o755)
}

// withoutControl is the compose file of a release whose server had no control socket outside.
func withoutControl(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "bty-control") && !strings.Contains(line, "CACHE_SOCKET") {
			kept = append(kept, strings.ReplaceAll(line, "bty-run:/run/bty-cache:ro", "bty-run:/run/bty:ro"))
		}
	}
	return strings.Join(kept, "")
}

// asBefore has a deployment be one of a release with another compose file.
func (h *host) asBefore(dir string) {
	h.t.Helper()
	was := h.run("cat", dir+"/compose.yml") + "\n"
	now := withoutControl(was)
	h.write(dir+"/compose.yml", now, 0o644)
	text := h.run("cat", dir+"/deploy.json")
	if !json.Valid([]byte(text)) || !strings.Contains(text, sum(was)) {
		h.t.Fatalf("the record does not know compose.yml:\n%s", text)
	}
	h.write(dir+"/deploy.json", strings.ReplaceAll(text, sum(was), sum(now)), 0o644)
	h.run("chown", "alice:", dir+"/compose.yml", dir+"/deploy.json")
}

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

// refused asks again and again; the function it returns says from the first to the last failure how long that was.
func (h *host) refused() func() time.Duration {
	ctx, stop := context.WithCancel(h.ctx)
	client := h.client()
	client.Timeout = 2 * time.Second
	var first, last time.Time
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
			answer, err := client.Get(url("/readyz"))
			if err == nil {
				answer.Body.Close()
			}
			if err == nil && answer.StatusCode == http.StatusOK {
				continue
			}
			if last = time.Now(); first.IsZero() {
				first = last
			}
		}
	}()
	return func() time.Duration {
		stop()
		<-done
		return last.Sub(first)
	}
}
