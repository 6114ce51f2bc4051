package systemd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bty/internal/message"
	"bty/internal/testenv/guide"
	"bty/internal/testenv/states"
	"bty/internal/wire"
)

// Releases that come after the one under test.
const (
	better = "1.4.0"
	broken = "1.5.0" // does not start
	faulty = "1.6.0" // has another schema, and a migration that loses a machine
)

// programs are the bty-web of those releases, each compiled once for all tests.
var programs = map[string]func() (string, error){
	better: program(better, "bty/cmd/bty-web"),
	broken: program(broken, "./broken"),
	faulty: program(faulty, "-tags=bty_faulty_release", "bty/cmd/bty-web"),
}

func program(version string, args ...string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		if _, err := packages(); err != nil { // it makes the folder
			return "", err
		}
		to := filepath.Join(scratch, version+".bty-web")
		flags := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X bty/internal/build.Version=" + version, "-o", to}
		compile := exec.Command("go", append(flags, args...)...)
		compile.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := compile.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building bty-web %s: %w\n%s", version, err, out)
		}
		return to, nil
	})
}

// later makes the packages of those releases, once for all tests.
var later = sync.OnceValues(func() (map[string]string, error) {
	debs := map[string]string{}
	for version := range programs {
		deb, err := laterPackage(version)
		if err != nil {
			return nil, err
		}
		debs[version] = deb
	}
	return debs, nil
})

// laterPackage is our package with another bty-web and another version.
func laterPackage(version string) (string, error) {
	old, err := packages()
	if err != nil {
		return "", err
	}
	web, err := programs[version]()
	if err != nil {
		return "", err
	}
	folder, deb := filepath.Join(scratch, version), filepath.Join(scratch, version+".deb")
	const pack = `set -eu; old=$1 folder=$2 version=$3 deb=$4 web=$5
dpkg-deb --raw-extract "$old" "$folder"
install -m 755 "$web" "$folder/usr/bin/bty-web"
sed -i "s/^Version: .*/Version: $version-1/" "$folder/DEBIAN/control"
(cd "$folder" && grep -v usr/bin/bty-web$ DEBIAN/md5sums >sums; md5sum usr/bin/bty-web >>sums; mv sums DEBIAN/md5sums)
dpkg-deb --root-owner-group -Znone --build "$folder" "$deb"
rm -r "$folder"`
	if out, err := exec.Command("sh", "-c", pack, "sh", old, folder, version, deb, web).CombinedOutput(); err != nil {
		return "", fmt.Errorf("packing bty %s: %w\n%s", version, err, out)
	}
	return deb, nil
}

// upgradable is a host with the package installed, the state of an earlier release in its folder, edits of
// the site, and the packages of later releases beside.
func upgradable(t *testing.T, suite string) *host {
	old, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	debs, err := later()
	if err != nil {
		t.Fatal(err)
	}
	h := bootWith(t, suite, "")
	h.give(old, "/root/old.deb")
	for version, deb := range debs {
		h.give(deb, "/root/"+version+".deb")
	}
	h.dpkg("-i", "/root/old.deb")
	h.giveState("schema2")
	h.write("/etc/bty/bty.toml", h.run("cat", "/etc/bty/bty.toml")+"\n# of the site\n", 0o644)
	h.write("/etc/systemd/system/bty-web.service.d/site.conf", "[Service]\nEnvironment=OF_THE_SITE=1\n", 0o644)
	h.write("/usr/lib/systemd/system/bty-tftp.service", h.run("cat", "/usr/lib/systemd/system/bty-tftp.service")+"\n# edited in place\n", 0o644)
	h.run("systemctl", "daemon-reload")
	h.enable()
	return h
}

// giveState lays the state of an earlier release out.
func (h *host) giveState(name string) {
	h.t.Helper()
	if err := states.Unpack(name, h.inside("/var/lib/bty")); err != nil {
		h.t.Fatal(err)
	}
	h.run("chown", "-R", "bty:bty", "/var/lib/bty")
}

// btyLab runs bty-lab and returns all that it says, and its exit code.
func (h *host) btyLab(args ...string) (said string, code int) {
	h.t.Helper()
	cmd := h.Command(h.ctx, "bty-lab", args...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (h *host) rows() (rows wire.Rows) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.ask("/rows")), &rows); err != nil {
		h.t.Fatal(err)
	}
	return rows
}

func (h *host) installed() string {
	h.t.Helper()
	return h.run("dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}", "bty")
}

func (h *host) expect(said string, code, want int, words ...string) {
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

// An upgrade under load to a release that works, one that does not start and one that loses a row: no
// request fails, no row is lost, and what the site wrote stays.
func TestUpgrade(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			h := upgradable(t, suite)
			h.checkServes()
			before := h.rows()
			said, code := h.btyLab("upgrade", "--dry-run", "--package", "/root/"+better+".deb")
			h.expect(said, code, 0, "from "+version+"-1 to "+better+"-1", "changed  /usr/bin/bty-web", "/etc/bty/bty.toml stays", "bty-tftp.service is replaced")
			if got := h.installed(); got != "installed "+version+"-1" {
				t.Errorf("a dry run left %s", got)
			}

			h.refusesTooSmall("/root/" + better + ".deb")
			was, opened := h.state("MainPID", services), h.state("InvocationID", sockets)
			machines := h.load(4, nil, h.patient())
			machines.awaitProgress(20)
			began := time.Now()
			said, code = h.btyLab("upgrade", "--timeout=3m", "--package", "/root/"+better+".deb")
			t.Logf("upgraded in %v", time.Since(began))
			h.expect(said, code, 0, "Upgraded from "+version+"-1 to "+better+"-1", "no row was lost")
			h.checkRelease(better, before)
			for i, pid := range h.state("MainPID", services) {
				if pid == was[i] || pid == "0" {
					t.Errorf("%s is process %s after the upgrade, %s before it", services[i], pid, was[i])
				}
			}

			began = time.Now()
			said, code = h.btyLab("upgrade", "--timeout=3m", "--package", "/root/"+broken+".deb")
			t.Logf("went back in %v", time.Since(began))
			h.expect(said, code, 1, "bty-web.service does not become healthy", "broken on purpose", better+"-1 runs again")
			h.checkRelease(better, before)
			machines.awaitProgress(20)
			machines.check()
			machines.checkKept()
			if now := h.state("InvocationID", sockets); !slices.Equal(now, opened) {
				t.Errorf("a socket was opened anew: %v, before %v", now, opened)
			}

			said, code = h.btyLab("upgrade", "--timeout=3m", "--package", "/root/old.deb")
			h.expect(said, code, 1, "nothing was changed", version+"-1 is older than "+better+"-1", "--back")

			all := h.rows()
			said, code = h.btyLab("upgrade", "--timeout=3m", "--package", "/root/"+faulty+".deb")
			h.expect(said, code, 1, "rows that the old release had are missing: ", "machines 52:54", "was put back as the old release left it", better+"-1 runs again")
			h.checkRelease(better, all)

			said, code = h.btyLab("upgrade", "--timeout=3m", "--package", "/root/"+better+".deb")
			h.expect(said, code, 0, "Nothing was changed: "+better+"-1 runs")
			said, code = h.btyLab("upgrade", "--back")
			h.expect(said, code, 0, version+"-1 runs again")
			h.checkRelease(version, all)
			if out := h.run("dpkg", "--verify", "bty"); strings.Contains(out, "/usr/bin") {
				t.Errorf("dpkg --verify after the way back: %s", out)
			}
		})
	}
}

// refusesTooSmall has no room for a snapshot, and then no right to run a program there: nothing is touched.
func (h *host) refusesTooSmall(deb string) {
	h.t.Helper()
	h.run("mkdir", "-p", "/opt/small")
	h.run("mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", "/opt/small")
	said, code := h.btyLab("upgrade", "--timeout=3m", "--package", deb, "/opt/small")
	h.expect(said, code, 1, "nothing was changed", "on the disk of /opt/small", "Make room")
	h.run("mount", "-o", "remount,size=1g,noexec", "/opt/small")
	said, code = h.btyLab("upgrade", "--timeout=3m", "--package", deb, "/opt/small")
	h.expect(said, code, 1, "nothing was changed", "systemd cannot run a program in /opt/small", "noexec")
	if left := h.run("ls", "/opt/small/snapshots", "/etc/systemd/system/bty-web.service.d"); strings.Contains(left, "Z") || strings.Contains(left, "upgrade") {
		h.t.Errorf("it leaves %s", left)
	}
	h.run("umount", "/opt/small")
}

// patient waits longer than a way back takes on a machine with much else to do: none may be refused, and a
// machine asks again.
func (h *host) patient() func(context.Context, *clients) error {
	client := h.client(false)
	client.Timeout = 3 * time.Minute
	return contactsOver(client)
}

// checkRelease holds after an upgrade and after a way back.
func (h *host) checkRelease(version string, before wire.Rows) {
	h.t.Helper()
	if got := h.installed(); got != "installed "+version+"-1" {
		h.t.Errorf("dpkg has %q of bty, not %s", got, version)
	}
	if err := h.get("/readyz"); err != nil {
		h.t.Error(err)
	}
	now := h.rows()
	for table, names := range before.Tables {
		for _, name := range names {
			if !slices.Contains(now.Tables[table], name) {
				h.t.Errorf("%s: %s of %s is lost", version, name, table)
			}
		}
	}
	if now.Schema != before.Schema {
		h.t.Errorf("schema %d, before it was %d", now.Schema, before.Schema)
	}
	if left := h.run("ls", "/etc/systemd/system/bty-web.service.d"); left != "site.conf" {
		h.t.Errorf("drop-ins: %q", left)
	}
	if text := h.run("cat", "/etc/bty/bty.toml"); !strings.HasSuffix(text, "# of the site") {
		h.t.Errorf("bty.toml lost what the site wrote:\n%s", text)
	}
	if books := h.run("dpkg-query", "--show", "--showformat=${Conffiles}", "bty"); !strings.Contains(books, "/etc/bty/bty.toml ") || strings.Contains(books, "obsolete") {
		h.t.Errorf("dpkg's files of configuration are %q", books)
	}
}

// killedAt are the steps in which an upgrade is killed; make test-long has all of them.
var killedAt = []string{"[3/5]"}

// Killed at its steps, an upgrade is taken up by the next run, or undone: also after a power cut, when systemd
// listens for TFTP and nobody has asked yet for the service that ran before.
func TestUpgradeKilled(t *testing.T) {
	h := upgradable(t, suites[len(suites)-1])
	before := h.rows()
	for _, step := range killedAt {
		h.run("systemctl", "start", "bty-tftp.service")
		h.killAt(step, "upgrade", "--timeout=3m", "--package", "/root/"+better+".deb")
		h.run("systemctl", "stop", "bty-tftp.service")
		args := []string{"upgrade"}
		if step == "[1/5]" { // nothing was begun
			args = append(args, "--package", "/root/"+better+".deb")
		}
		said, code := h.btyLab(args...)
		h.expect(said, code, 0, "Upgraded from "+version+"-1 to "+better+"-1")
		h.checkRelease(better, before)
		if step == "[3/5]" {
			h.killAt("going back", "upgrade", "--back")
			h.run("systemctl", "stop", "bty-tftp.service")
			said, code = h.btyLab("upgrade")
			h.expect(said, code, 0, version+"-1 runs again")
		} else {
			said, code = h.btyLab("upgrade", "--back")
			h.expect(said, code, 0, version+"-1 runs again")
		}
		h.checkRelease(version, before)
	}
	if left := h.run("ls", "/opt/bty/snapshots"); len(strings.Fields(left)) > 3 {
		t.Errorf("more than three snapshots are kept: %s", left)
	}
	h.upgradeByTheBook(t, before)
}

// upgradeByTheBook runs what docs/upgrade.md has for a host with packages: with bty-lab, with apt and back from
// another schema, and back by hand from an upgrade that was cut off.
func (h *host) upgradeByTheBook(t *testing.T, before wire.Rows) {
	t.Helper()
	for from, to := range map[string]string{"old": version, better: better, faulty: "1.5.0"} {
		h.run("ln", "/root/"+from+".deb", "/root/bty_"+to+"-1_amd64.deb")
	}
	guide.Test(t, repo, "upgrade", 2*time.Minute, h.shell)
	h.checkRelease(version, before)
	// Each release that migrated has told what it kept, and the one that was not to migrate how to get there.
	for class, way := range map[string]string{message.DatabaseKept.Value.String(): "bty.db.schema2-", message.DatabaseRefused.Value.String(): "bty.db.schema4-"} {
		said := h.run("journalctl", "--output=verbose", "--all", "--unit=bty-web.service", "MESSAGE_ID="+class)
		if !strings.Contains(said, "bty-web.service && bty-lab restore /var/lib/bty/"+way) {
			t.Errorf("the journal does not name the way back to %s:\n%s", way, said)
		}
	}
	h.killAt("[4/5]", "upgrade", "--timeout=3m", "--package", "/root/"+better+".deb")
	guide.Test(t, repo, "upgrade-cut-off", 2*time.Minute, h.shell)
	h.checkRelease(version, before)
	said, code := h.btyLab("upgrade")
	h.expect(said, code, 0, "Nothing was changed: "+version+"-1 runs")
}

// killAt kills bty-lab, and nothing that it started, when it has said that it begins a step.
func (h *host) killAt(step string, args ...string) {
	h.t.Helper()
	cmd := h.Command(h.ctx, "bty-lab", args...)
	heard := &until{word: step, met: make(chan struct{})}
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
	time.Sleep(100 * time.Millisecond)                              // into the step
	_, _ = h.try("pkill", "-KILL", "-x", "-f", "bty-lab upgrade.*") // of this host; it may have ended
	if err := <-ended; err == nil {
		h.t.Logf("the step %q was over before it could be interrupted", step)
	}
}

// until waits for a word in what a program says.
type until struct {
	word string
	met  chan struct{}
	mu   sync.Mutex
	said strings.Builder
	done bool
}

func (u *until) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.said.Write(p)
	if !u.done && strings.Contains(u.said.String(), u.word) {
		u.done = true
		close(u.met)
	}
	return len(p), nil
}

func (u *until) String() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.said.String()
}
