package containers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bty/compose"
	"bty/internal/testenv/guide"
	"bty/internal/testenv/states"
	"bty/internal/wire"
)

// Releases of the images in these tests.
const (
	oldRelease    = "1.3.0"
	newRelease    = "1.4.0"
	brokenRelease = "1.5.0" // its bty-web does not start
)

// upgrading is a host whose releases change.
type upgrading struct{ *host }

// release makes the images of a release, with a bty-web that is built of the package, or the one of the
// build folder.
func (h upgrading) release(version, webPackage string) {
	h.t.Helper()
	bin := filepath.Join(buildFolder(h.t), "bin")
	for _, daemon := range daemons {
		program := filepath.Join(bin, daemon)
		if daemon == "bty-web" && webPackage != "" {
			program = filepath.Join(h.t.TempDir(), "bty-web")
			compile := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X bty/internal/build.Version="+version, "-o", program, webPackage)
			compile.Env = append(os.Environ(), "CGO_ENABLED=0")
			if out, err := compile.CombinedOutput(); err != nil {
				h.t.Fatalf("building bty-web %s: %v\n%s", version, err, out)
			}
		}
		i := Image{Name: "localhost/" + daemon + ":" + version, Program: program,
			Folders: []string{"/var", "/var/lib", "/var/lib/bty", "/var/lib/bty/boot", "/var/cache", "/var/cache/bty"}}
		if err := h.Make(h.ctx, i); err != nil {
			h.t.Fatal(err)
		}
	}
}

// Containers are exchanged under load: for a release that works, and for one that does not start, which
// gives way to the old one. Undone, the release of the beginning runs again.
func TestUpgradeContainers(t *testing.T) {
	h := upgrading{installed(t)}
	h.release(oldRelease, "")
	h.release(newRelease, "bty/cmd/bty-web")
	h.release(brokenRelease, "../systemd/broken")
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
	if len(before.Tables["machines"]) != states.Machines {
		t.Fatalf("%v", before)
	}
	sockets := []string{"bty-web.socket", "bty-tftp.socket", "bty-control.socket", "bty-report.socket"}
	opened := h.properties("InvocationID", sockets)

	said, code := h.btyLab("upgrade", "--timeout=90s", "--mode=quadlet", "--dry-run", "--to="+newRelease)
	h.expect(said, code, 0, "from "+oldRelease+" to "+newRelease, "localhost/bty-web:"+oldRelease+" -> localhost/bty-web:"+newRelease)
	load := h.ask()
	began := time.Now()
	said, code = h.btyLab("upgrade", "--timeout=90s", "--mode=quadlet", "--to="+newRelease)
	t.Logf("upgraded in %v", time.Since(began))
	h.expect(said, code, 0, "Upgraded from "+oldRelease+" to "+newRelease, "no row was lost")
	h.runs(newRelease, before)

	began = time.Now()
	said, code = h.btyLab("upgrade", "--timeout=90s", "--mode=quadlet", "--to="+brokenRelease)
	t.Logf("went back in %v", time.Since(began))
	h.expect(said, code, 1, "bty-web.service does not become healthy", "broken on purpose", newRelease+" runs again")
	h.runs(newRelease, before)
	load.check()
	if now := h.properties("InvocationID", sockets); !slices.Equal(now, opened) {
		t.Errorf("a socket was opened anew: %v, before %v", now, opened)
	}

	said, code = h.btyLab("upgrade", "--timeout=90s", "--mode=quadlet", "--to="+oldRelease)
	h.expect(said, code, 1, oldRelease+" is older than "+newRelease)
	said, code = h.btyLab("upgrade", "--timeout=90s", "--mode=quadlet", "--to=9.9")
	h.expect(said, code, 1, "the image localhost/bty-web:9.9 is not loaded")
	said, code = h.btyLab("upgrade", "--timeout=90s", "--mode=quadlet", "--back")
	h.expect(said, code, 0, oldRelease+" runs again")
	h.runs(oldRelease, before)
	h.byHand(t, before)
}

// byHand runs what docs/upgrade.md has for containers without bty-lab upgrade: there, back, and back to what
// was kept of the database.
func (h upgrading) byHand(t *testing.T, before wire.Rows) {
	t.Helper()
	h.run("mkdir", "-p", "/root/bty")
	h.run("podman", "save", "--quiet", "--format=oci-archive", "--output=/root/bty/bty-web.x86_64.tar", "localhost/bty-web:"+newRelease)
	h.run("podman", "rmi", "localhost/bty-web:"+newRelease)
	guide.Test(t, repo, "upgrade-by-hand", 2*time.Minute, h.reader)
	h.ready()
	if image := h.run("podman", "inspect", "--format={{.ImageName}}", "bty-web"); image != "localhost/bty-web:"+oldRelease {
		t.Errorf("bty-web runs %s", image)
	}
	if now := h.rows(); len(now.Tables["machines"]) != states.Machines || now.Schema != before.Schema {
		t.Errorf("what was kept of the database has %v", now)
	}
}

// reader is the shell of somebody who reads a document, at home.
func (h upgrading) reader(ctx context.Context, script string) (string, error) {
	out, err := h.Command(ctx, "env", "--chdir=/root/bty", "bash", "-c", script).CombinedOutput()
	return string(out), err
}

// A compose project goes to another release and back as well. Nobody holds its port meanwhile.
func TestUpgradeComposed(t *testing.T) {
	h := upgrading{boot(t)}
	h.release(oldRelease, "")
	h.release(newRelease, "bty/cmd/bty-web")
	h.release(brokenRelease, "../systemd/broken")
	h.giveLab()
	h.writeAll(compose.Files, stack)
	h.secret(stack, password)
	h.write(stack+"/.env", "BTY_VERSION="+oldRelease+"\n# of the site\n", 0o644)
	h.compose("up", "-d")
	h.await(url("/readyz"))
	macs := []string{"52:54:00:00:02:01", "52:54:00:00:02:02"}
	for _, mac := range macs {
		if err := get(h.ctx, h.client(), "/pxe/"+mac); err != nil {
			t.Fatal(err)
		}
	}
	image := func(version string) {
		t.Helper()
		h.await(url("/readyz"))
		if got := h.run("podman", "inspect", "--format={{.ImageName}}", "bty-web"); got != "localhost/bty-web:"+version {
			t.Errorf("%s runs, not %s", got, version)
		}
		if text := h.run("cat", stack+"/.env"); text != "BTY_VERSION="+version+"\n# of the site" {
			t.Errorf(".env is %q", text)
		}
	}
	said, code := h.btyLab("upgrade", "--timeout=90s", "--mode=compose", "--to="+newRelease)
	h.expect(said, code, 0, "Upgraded from "+oldRelease+" to "+newRelease, "no row was lost")
	image(newRelease)
	said, code = h.btyLab("upgrade", "--timeout=90s", "--mode=compose", "--to="+brokenRelease)
	h.expect(said, code, 1, "does not become healthy", "broken on purpose", newRelease+" runs again")
	image(newRelease)
	said, code = h.btyLab("upgrade", "--timeout=90s", "--mode=compose", "--back")
	h.expect(said, code, 0, oldRelease+" runs again")
	image(oldRelease)
	h.compose("stop")
	place := h.run("podman", "volume", "inspect", "--format={{.Mountpoint}}", "bty-data")
	content, err := h.Try(h.ctx, "cat", place+"/bty.db")
	if err != nil {
		t.Fatal(err)
	}
	for _, mac := range macs {
		if !strings.Contains(content, mac) { // its events have it
			t.Errorf("%s is lost", mac)
		}
	}
}

// runs holds while a release is in place.
func (h upgrading) runs(version string, before wire.Rows) {
	h.t.Helper()
	h.ready()
	if image := h.run("podman", "inspect", "--format={{.ImageName}}", "bty-web"); image != "localhost/bty-web:"+version {
		h.t.Errorf("bty-web runs %s, not %s", image, version)
	}
	now := h.rows()
	for table, names := range before.Tables {
		for _, name := range names {
			if !slices.Contains(now.Tables[table], name) {
				h.t.Errorf("%s: %s of %s is lost", version, name, table)
			}
		}
	}
	if text := h.run("cat", Quadlets+"/bty-web.container.d/10-image.conf"); !strings.HasSuffix(text, "Image=localhost/bty-web:"+version+"\n# of the site") {
		h.t.Errorf("the drop-in says %q", text)
	}
	if _, err := h.Try(h.ctx, "test", "-e", "/etc/systemd/system/bty-web.service.d/99-bty-upgrade.conf"); err == nil {
		h.t.Error("the guard stays in force")
	}
}

// giveLab installs bty-lab.
func (h upgrading) giveLab() {
	h.t.Helper()
	program, err := os.Open(filepath.Join(buildFolder(h.t), "bin", "bty-lab"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer program.Close()
	if _, err := h.feed(h.ctx, program, "sh", "-c", "cat >/usr/bin/bty-lab && chmod 755 /usr/bin/bty-lab"); err != nil {
		h.t.Fatal(err)
	}
}

// giveState lays the state of an earlier release out in the volume.
func (h upgrading) giveState(name string) {
	h.t.Helper()
	place := h.run("podman", "volume", "inspect", "--format={{.Mountpoint}}", "bty-data")
	folder := h.t.TempDir()
	if err := states.Unpack(name, folder); err != nil {
		h.t.Fatal(err)
	}
	archive, err := exec.CommandContext(h.ctx, "tar", "-cS", "-C", folder, ".").Output()
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.feed(h.ctx, bytes.NewReader(archive), "tar", "-x", "-C", place); err != nil {
		h.t.Fatal(err)
	}
	h.run("chown", "-R", fmt.Sprintf("%[1]d:%[1]d", Owner), place)
}

// btyLab runs bty-lab and returns all that it says, and its exit code.
func (h upgrading) btyLab(args ...string) (said string, code int) {
	h.t.Helper()
	cmd := h.Command(h.ctx, "bty-lab", args...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (h upgrading) expect(said string, code, want int, words ...string) {
	h.t.Helper()
	for _, word := range words {
		if !strings.Contains(said, word) {
			h.t.Errorf("it does not say %q", word)
		}
	}
	if code != want {
		h.t.Errorf("exit code %d, want %d", code, want)
	}
	if h.t.Failed() {
		h.t.Fatalf("bty-lab said:\n%s", said)
	}
}

func (h upgrading) properties(name string, units []string) (values []string) {
	h.t.Helper()
	for _, unit := range units {
		values = append(values, h.property(unit, name))
	}
	return values
}

func (h upgrading) ready() {
	h.t.Helper()
	if err := get(h.ctx, h.client(), "/readyz"); err != nil {
		h.t.Fatal(err)
	}
}

// rows are what the server says of its database, over the control socket.
func (h upgrading) rows() (rows wire.Rows) {
	h.t.Helper()
	said := h.run("curl", "--silent", "--fail", "--unix-socket", "/run/bty/control.sock", "http://bty/rows")
	if err := json.Unmarshal([]byte(said), &rows); err != nil {
		h.t.Fatalf("%v: %s", err, said)
	}
	return rows
}

func get(ctx context.Context, client *http.Client, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url(path), nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != 200 {
		return fmt.Errorf("%s: %s, %w", path, answer.Status, err)
	}
	return nil
}

// asking is a load of machines that ask what to boot, a connection each time.
type asking struct {
	h        upgrading
	stop     context.CancelFunc
	done     sync.WaitGroup
	answered atomic.Int64
	mu       sync.Mutex
	failed   []error
}

func (h upgrading) ask() *asking {
	ctx, stop := context.WithCancel(h.ctx)
	a := &asking{h: h, stop: stop}
	client := h.client()
	client.Timeout = 3 * time.Minute // a way back takes its time, and requests wait
	for n := range 6 {
		a.done.Go(func() {
			for ctx.Err() == nil {
				err := get(context.WithoutCancel(ctx), client, fmt.Sprintf("/pxe/52:54:00:00:01:0%d", n+1))
				if a.answered.Add(1); err != nil {
					a.mu.Lock()
					a.failed = append(a.failed, err)
					a.mu.Unlock()
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	h.t.Cleanup(func() { stop(); a.done.Wait() })
	return a
}

// check ends the load; none of it may have failed.
func (a *asking) check() {
	a.h.t.Helper()
	a.stop()
	a.done.Wait()
	for i, err := range a.failed {
		if i < 5 {
			a.h.t.Errorf("a request failed: %v", err)
		}
	}
	a.h.t.Logf("%d requests, %d failed", a.answered.Load(), len(a.failed))
}
