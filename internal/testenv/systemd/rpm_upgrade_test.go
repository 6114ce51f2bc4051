package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// laterRPM is our rpm with another bty-web and another version.
func (h *host) laterRPM(version string) string {
	h.t.Helper()
	web, err := programs[version]()
	if err != nil {
		h.t.Fatal(err)
	}
	build := filepath.Join(scratch, version+".rpm")
	const copied = `mkdir -p "$2/bin" && cp -l "$1"/bin/bty* "$2/bin" && ln -f "$3" "$2/bin/bty-web"`
	if out, err := exec.CommandContext(h.ctx, "sh", "-c", copied, "sh", buildDir(h.t), build, web).CombinedOutput(); err != nil {
		h.t.Fatalf("%v: %s", err, out)
	}
	file, err := RPM(h.ctx, Config{Build: build, Repo: repo}, version, scratch)
	if err != nil {
		h.t.Fatal(err)
	}
	return file
}

// rpmBreaks has a release tried as well that does not start; make test-long does.
var rpmBreaks = false

// upgradeRPM has bty-lab bring a release as an rpm, under load, and go back to the one that is installed. The site's edits stay, and what it has taken away since stays away.
func (h *host) upgradeRPM() {
	h.t.Helper()
	const password = "/etc/bty/of-the-site"
	h.give(h.laterRPM(better), "/root/better.rpm")
	shipped, err := os.ReadFile(h.inside("/etc/bty/bty.toml"))
	if err != nil {
		h.t.Fatal(err)
	}
	h.write("/etc/bty/bty.toml", string(shipped)+"\n# of the site\n", 0o644)
	h.write(password, "secret", 0o600)
	// bty-lab finds rpm where a Fedora has it. What dnf would have brought along is not in rpm's books here.
	h.write("/usr/bin/rpm", `#!/bin/sh
case $1 in --upgrade) set -- "$@" --nodeps ;; esac
exec /opt/rpm/ld-linux-*.so.* --library-path /opt/rpm /opt/rpm/rpm "$@"
`, 0o755)
	defer func() { h.run("rm", "/usr/bin/rpm") }()
	before, opened := h.rows(), h.state("InvocationID", sockets)
	if len(before.Tables["machines"]) < 50 {
		h.t.Fatalf("%v", before)
	}
	holds := func(version string) {
		h.t.Helper()
		if got := h.run("rpm", "--query", "--queryformat", "%{VERSION}", "bty"); !strings.HasSuffix(got, version) {
			h.t.Errorf("rpm has %q of bty, not %s", got, version)
		}
		if got := h.run("bty-web", "--version"); version != newer && got != "bty-web "+version {
			h.t.Errorf("%s is in place, not %s", got, version)
		}
		now := h.rows()
		for table, names := range before.Tables {
			for _, name := range names {
				if !slices.Contains(now.Tables[table], name) {
					h.t.Errorf("%s: %s of %s is lost", version, name, table)
				}
			}
		}
		if text := h.run("cat", "/etc/bty/bty.toml"); !strings.HasSuffix(text, "# of the site") {
			h.t.Errorf("bty.toml lost what the site wrote:\n%s", text)
		}
		if _, err := os.Lstat(h.inside("/etc/systemd/system/bty-web.service.d/99-bty-upgrade.conf")); !os.IsNotExist(err) {
			h.t.Errorf("the guard stays in force: %v", err)
		}
	}

	said, code := h.btyLab("upgrade", "--timeout=3m", "--package", "/root/better.rpm")
	h.expect(said, code, 1, "nothing was changed", "the package of "+newer+"-1, which is installed, is not here", "--previous FILE")
	machines := h.load(4, nil, h.patient())
	machines.awaitProgress(20)
	began := time.Now()
	said, code = h.btyLab("upgrade", "--timeout=3m", "--package", "/root/better.rpm", "--previous", "/root/new.rpm")
	h.t.Logf("upgraded in %v", time.Since(began))
	h.expect(said, code, 0, "Upgraded from "+newer+"-1 to "+better+"-1", "no row was lost", "/etc/bty/bty.toml stays as it is")
	holds(better)
	if rpmBreaks {
		// The package of the release in place is at hand: the last upgrade has kept it.
		h.give(h.laterRPM(broken), "/root/broken.rpm")
		said, code = h.btyLab("upgrade", "--timeout=3m", "--package", "/root/broken.rpm")
		h.expect(said, code, 1, "bty-web.service does not become healthy", "broken on purpose", better+"-1 runs again")
		holds(better)
	}
	machines.awaitProgress(20)
	machines.check()
	machines.checkKept()
	if now := h.state("InvocationID", sockets); !slices.Equal(now, opened) {
		h.t.Errorf("a socket was opened anew: %v, before %v", now, opened)
	}

	h.run("rm", password)
	h.run("systemctl", "disable", "--now", "bty-sniff.service")
	said, code = h.btyLab("upgrade", "--timeout=3m", "--back")
	h.expect(said, code, 0, newer+"-1 runs again", password+" was deleted since the upgrade, and stays so")
	holds(newer)
	if _, err := os.Lstat(h.inside(password)); !os.IsNotExist(err) {
		h.t.Errorf("%s is there again: %v", password, err)
	}
	h.write("/etc/bty/bty.toml", string(shipped), 0o644) // or rpm would keep it when it is erased
	if state := h.property("bty-sniff.service", "ActiveState"); state != "inactive" {
		h.t.Errorf("the sniffer, which was stopped since, is %s", state)
	}
}
