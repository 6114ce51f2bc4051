package systemd

import (
	"bytes"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bty/internal/testenv/roots"
)

// The rpm package, as far as a Debian with a running systemd goes. What dnf would bring along is not
// in rpm's books there, hence no dependencies.
func TestRPM(t *testing.T) {
	if _, err := packages(); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Build: buildDir(t), Repo: repo}
	old, err := RPM(t.Context(), cfg, version, scratch)
	if err != nil {
		t.Fatal(err)
	}
	next, err := RPM(t.Context(), cfg, newer, scratch)
	if err != nil {
		t.Fatal(err)
	}
	h := bootWith(t, roots.Trixie, "")
	h.giveRPM()
	h.give(old, "/root/old.rpm")
	h.give(next, "/root/new.rpm")
	h.rpm("--install", "--nodeps", "/root/old.rpm")
	if owner := h.run("stat", "--format=%U:%G %a", "/var/lib/bty", "/run/bty"); owner != "bty:bty 750\nroot:root 755" {
		t.Errorf("the scripts made the folders %q", owner)
	}
	h.checkRPM(version)
	for _, unit := range slices.Concat(services, sockets, caches) {
		if state := h.property(unit, "ActiveState"); state != "inactive" {
			t.Errorf("after the installation %s is %s", unit, state)
		}
	}
	h.enable()
	h.checkServes()
	h.upgrade(func() { h.rpm("--upgrade", "--nodeps", "/root/new.rpm") })
	h.checkRPM(newer)
	h.upgradeRPM()
	h.rpm("--erase", "--nodeps", "bty")
	h.checkStopped()
	h.run("test", "-s", "/var/lib/bty/bty.db")
	if left := h.run("find", "/usr", "/etc", "-name", "*bty*"); left != "" {
		t.Errorf("the package leaves\n%s", left)
	}
}

// giveRPM puts this machine's rpm into the host, with the libraries that it was made for.
func (h *host) giveRPM() {
	h.t.Helper()
	const from = `set -e; rpm=$(command -v rpm)
tar -ch --transform 's,.*/,opt/rpm/,' $(ldd "$rpm" | grep -o '/[^ )]*') "$rpm" 2>/dev/null
tar -c /usr/lib/rpm/rpmrc /usr/lib/rpm/macros 2>/dev/null`
	archive, err := exec.CommandContext(h.ctx, "sh", "-c", from).Output()
	if err != nil {
		h.t.Fatalf("rpm (apt-get install rpm): %v", err)
	}
	take := h.Command(h.ctx, "tar", "-x", "--ignore-zeros", "-C", "/")
	take.Stdin = bytes.NewReader(archive)
	if out, err := take.CombinedOutput(); err != nil {
		h.t.Fatalf("giving rpm to the host: %v\n%s", err, out)
	}
}

func (h *host) rpm(args ...string) string {
	h.t.Helper()
	const folder = "/opt/rpm/"
	args = append([]string{"--library-path", folder, folder + "rpm"}, args...)
	said, err := h.Command(h.ctx, "sh", append([]string{"-c", "exec " + folder + "ld-linux-*.so.* \"$@\"", "sh"}, args...)...).CombinedOutput()
	out := regexp.MustCompile(`(?m)^rpm: (RPM should not|However).*\n`).ReplaceAll(said, nil) // Debian's rpm about itself
	if err != nil || regexp.MustCompile(`(?i)warning|error|fail|cannot`).Match(out) {
		h.t.Errorf("rpm %s: %v\n%s", strings.Join(args[3:], " "), err, out)
	}
	return string(out)
}

// checkRPM holds what is on the disk against the package.
func (h *host) checkRPM(version string) {
	h.t.Helper()
	if got := h.rpm("--query", "--queryformat", "%{VERSION}", "bty"); got != version {
		h.t.Errorf("rpm has version %q of bty, not %s", got, version)
	}
	if out := h.rpm("--verify", "--nodeps", "bty"); out != "" {
		h.t.Errorf("rpm -V: %s", out)
	}
}
