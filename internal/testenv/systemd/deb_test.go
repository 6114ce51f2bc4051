package systemd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const newer = "1.3.0"

// caches are off until somebody enables them.
var caches = []string{"bty-cache.service", "bty-cache.socket", "bty-cache-control.socket"}

var services = []string{"bty-web.service", "bty-tftp.service", "bty-sniff.service"}

// The life of the Debian package on one host: installed without starting anything, enabled, upgraded
// under load, removed, installed again, purged without a trace, and installed once more, with apt and
// without D-Bus.
func TestDebianPackage(t *testing.T) {
	old, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	next, err := Package(t.Context(), Config{Build: buildDir(t), Repo: repo}, newer, scratch)
	if err != nil {
		t.Fatal(err)
	}
	for _, suite := range suites {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			h := bootWith(t, suite, "")
			h.give(old, "/root/old.deb")
			h.give(next, "/root/new.deb")
			before := h.files()
			h.dpkg("-i", "/root/old.deb")
			h.checkInstalled()
			h.enable()
			h.checkServes()
			h.run("systemctl", "enable", "--now", "bty-cache.socket")
			h.run("curl", "--fail", "--silent", "http://localhost:3000/healthz")
			was := []string{h.property("bty-cache.service", "MainPID"), h.property("bty-cache.socket", "InvocationID")}
			h.upgrade(func() { h.dpkg("-i", "/root/new.deb") })
			if pid, socket := h.property("bty-cache.service", "MainPID"), h.property("bty-cache.socket", "InvocationID"); pid == was[0] || pid == "0" || socket != was[1] {
				t.Errorf("after the upgrade the cache is process %s and its socket %s, before it %v", pid, socket, was)
			}

			h.dpkg("-r", "bty")
			h.checkStopped()
			h.run("test", "-s", "/var/lib/bty/bty.db")
			h.dpkg("-i", "/root/new.deb")
			if got, _ := h.try("systemctl", "is-enabled", "bty-web.socket"); got != "enabled\n" {
				t.Errorf("bty-web.socket was enabled before it was removed; installed again it is %q", got)
			}
			h.run("systemctl", "start", "bty-web.socket", "bty-tftp.socket")
			h.checkServes()

			h.dpkg("--purge", "bty")
			h.checkStopped()
			h.checkNothingStays(before)

			h.run("systemctl", "stop", "dbus.socket", "dbus.service")
			if out, err := h.try("apt-get", "install", "--yes", "--no-install-recommends", "/root/old.deb"); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			h.checkInstalled()
			h.enable()
			h.checkServes()
		})
	}
}

// give copies a file into the container.
func (h *host) give(from, to string) {
	h.t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(to, string(content), 0o644)
}

// dpkg runs dpkg, which has no network and says nothing but what it does.
func (h *host) dpkg(args ...string) {
	h.t.Helper()
	out, err := h.Command(h.ctx, "dpkg", args...).CombinedOutput()
	if err != nil || regexp.MustCompile(`(?i)warning|error|fail|denied|cannot|unable`).Match(out) {
		h.t.Errorf("dpkg %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// checkInstalled holds after an installation: all is there, and nothing runs or would run by itself.
func (h *host) checkInstalled() {
	h.t.Helper()
	if out := h.run("dpkg", "--verify", "bty"); out != "" {
		h.t.Errorf("dpkg --verify: %s", out)
	}
	for _, unit := range slices.Concat(services, sockets, caches) {
		enabled, _ := h.try("systemctl", "is-enabled", unit)
		if state := h.property(unit, "ActiveState"); state != "inactive" || strings.TrimSpace(enabled) == "enabled" {
			h.t.Errorf("after the installation %s is %s and %s", unit, strings.TrimSpace(enabled), state)
		}
	}
	for path, want := range map[string]string{"/var/lib/bty": "bty:bty 750", "/var/lib/bty/boot": "bty:bty 755", "/run/bty": "root:root 755", "/var/cache/bty": "bty-cache:bty 750",
		"/etc/bty/bty.toml": "root:root 644"} {
		if got := h.run("stat", "--format=%U:%G %a", path); got != want {
			h.t.Errorf("%s is %s, not %s", path, got, want)
		}
	}
	h.run("getent", "group", "bty-admin")
	if list := h.run("journalctl", "--list-catalog"); !strings.Contains(list, "bty") {
		h.t.Error("the message catalog was not taken up")
	}
}

// checkServes asks both daemons.
func (h *host) checkServes() {
	h.t.Helper()
	content := h.bootFile("ipxe.efi", 30_000)
	if err := h.get("/healthz"); err != nil {
		h.t.Error(err)
	}
	ctx, cancel := context.WithTimeout(h.ctx, time.Minute)
	defer cancel()
	got, err := h.read(ctx, request{to: IP, name: "ipxe.efi"})
	if err != nil || !bytes.Equal(got.data, content) {
		h.t.Errorf("TFTP: %d bytes, %v", len(got.data), err)
	}
}

// upgrade has a new version installed while machines ask, with a connection per request and over kept
// ones, one reads by TFTP and one is in the middle of a long download: nobody notices, services are
// new and sockets are not.
func (h *host) upgrade(install func()) {
	h.t.Helper()
	program, image := h.bootFile("program.efi", 1<<20), h.bootFile("slow.img", 8<<20)
	ctx, cancel := context.WithTimeout(h.ctx, 2*time.Minute)
	defer cancel()
	was := h.state("MainPID", services)
	opened := h.state("InvocationID", sockets)
	for n := range 50 { // a report is taken from a machine that is known
		if err := h.get(fmt.Sprintf("/pxe/52:54:00:00:01:%02x", n)); err != nil {
			h.t.Fatal(err)
		}
	}
	single, kept := h.load(15, nil, contacts()), h.load(15, nil, reports(h))
	single.awaitProgress(20)
	kept.awaitProgress(20)

	var transfers sync.WaitGroup
	begun := make(chan string, 2)
	ended := make(chan string, 2)
	transfers.Go(func() {
		got, err := h.read(ctx, request{to: IP, name: "program.efi", options: []string{"blksize", "1428"}, pace: 4 * time.Millisecond,
			started: func() { begun <- "TFTP" }})
		if err != nil || !bytes.Equal(got.data, program) {
			h.t.Errorf("the TFTP transfer during the upgrade: %d bytes, %v", len(got.data), err)
		}
		ended <- "TFTP"
	})
	transfers.Go(func() {
		got, err := h.download(ctx, "/boot/slow.img", 4*time.Second, func() { begun <- "HTTP" })
		if err != nil || !bytes.Equal(got, image) {
			h.t.Errorf("the download during the upgrade: %d bytes, %v", len(got), err)
		}
		ended <- "HTTP"
	})
	for range 2 {
		select {
		case <-begun:
		case what := <-ended:
			h.t.Errorf("the %s transfer was over before the upgrade; the test shows nothing", what)
		}
	}
	install()
	single.awaitProgress(50)
	kept.awaitProgress(50)
	transfers.Wait()
	single.check()
	kept.check()
	single.checkKept()
	for i, pid := range h.state("MainPID", services) {
		if pid == was[i] || pid == "0" {
			h.t.Errorf("%s is process %s after the upgrade, %s before it", services[i], pid, was[i])
		}
	}
	if now := h.state("InvocationID", sockets); !slices.Equal(now, opened) {
		h.t.Errorf("a socket was opened anew by the upgrade: %v, before it %v", now, opened)
	}
	h.open(sockets)
}

func (h *host) state(property string, units []string) (values []string) {
	h.t.Helper()
	for _, unit := range units {
		values = append(values, h.property(unit, property))
	}
	return values
}

// download reads a file over HTTP, so that it takes about that long.
func (h *host) download(ctx context.Context, path string, long time.Duration, started func()) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url(path), nil)
	if err != nil {
		return nil, err
	}
	answer, err := h.client(false).Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	const steps = 100
	var got bytes.Buffer
	for {
		n, err := io.CopyN(&got, answer.Body, answer.ContentLength/steps+1)
		if err == io.EOF || n == 0 {
			return got.Bytes(), nil
		} else if err != nil {
			return got.Bytes(), err
		}
		if started != nil {
			started()
			started = nil
		}
		time.Sleep(long / steps)
	}
}

// checkStopped holds after a removal: no unit, no process, no socket.
func (h *host) checkStopped() {
	h.t.Helper()
	if up := h.active(); len(up) > 0 {
		h.t.Errorf("after the removal there is still %v", up)
	}
	if ports := h.run("ss", "--no-header", "--listening", "--tcp", "--udp", "--numeric", "sport = :8080 or sport = :69 or sport = :3000"); ports != "" {
		h.t.Errorf("after the removal somebody listens:\n%s", ports)
	}
	if out, err := h.try("pgrep", "-a", "^bty"); err == nil {
		h.t.Errorf("after the removal there are processes:\n%s", out)
	}
	if units, _ := h.try("systemctl", "list-unit-files", "--no-legend", "bty*"); units != "" {
		h.t.Errorf("after the removal systemd still knows\n%s", units)
	}
}

// passing are folders whose content is nobody's installation: the kernel's, the day's, dpkg's own books.
var passing = []string{"/proc", "/sys", "/dev", "/run", "/tmp", "/root", "/var/tmp", "/var/log", "/var/lib/dpkg", "/var/cache/ldconfig"}

// users are where the system user and the groups stay, with their backups and locks.
var users = regexp.MustCompile(`^/etc/(passwd|shadow|group|gshadow)-?$|^/etc/\.pwd\.lock$`)

// files are the paths on the host that an installation may leave something at.
func (h *host) files() map[string]bool {
	h.t.Helper()
	found := map[string]bool{}
	err := fs.WalkDir(os.DirFS(h.inside("/")), ".", func(path string, _ fs.DirEntry, err error) error {
		inside := "/" + path
		switch {
		case os.IsNotExist(err):
			return nil
		case err != nil:
			return err
		case slices.Contains(passing, inside):
			return fs.SkipDir
		}
		found[inside] = true
		return nil
	})
	if err != nil || !found["/etc/hostname"] && !found["/etc/passwd"] {
		h.t.Fatalf("listing the host's files: %d of them, %v", len(found), err)
	}
	return found
}

func (h *host) checkNothingStays(before map[string]bool) {
	h.t.Helper()
	for path := range h.files() {
		if !before[path] && !users.MatchString(path) {
			h.t.Errorf("the purge leaves %s", path)
		}
	}
	if out, err := h.try("grep", "-rlI", "bty", "/run/systemd", "/run/bty"); err == nil && out != "" {
		h.t.Logf("still about bty below /run, until the next boot: %s", strings.Fields(out))
	}
	if _, err := h.try("test", "-e", "/run/bty"); err == nil {
		h.t.Error("the purge leaves /run/bty")
	}
	h.run("getent", "passwd", "bty") // stays, as docs/install.md says
}
