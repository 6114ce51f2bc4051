package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The files of both packages are those that testdata lists; UPDATE=1 writes the lists.
func TestContents(t *testing.T) {
	b := built(t)
	deb := output(t, "sh", "-c", `dpkg-deb --fsys-tarfile "$1" | tar -tvf - --numeric-owner`, "sh", b.glob(t, "bty_*.deb"))
	compare(t, "testdata/deb.txt", lines(deb, `^(\S+) +(\S+) .* \.(/\S*[^/\s])$`))
	rpm := output(t, "rpm", "-qp", "--qf", "[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES}\n]", b.glob(t, "bty-1*.rpm"))
	compare(t, "testdata/rpm.txt", lines(rpm, `^(\S+) (\S+) (\S+)$`))
	selinux := output(t, "rpm", "-qp", "--qf", "[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES}\n]", b.glob(t, "bty-selinux-*.rpm"))
	compare(t, "testdata/selinux.txt", lines(selinux, `^(\S+) (\S+) (\S+)$`))
}

// lines are mode, owner and path of the regular files and links, in order.
func lines(listing, pattern string) string {
	var found []string
	for line := range strings.Lines(listing) {
		m := regexp.MustCompile(pattern).FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m != nil && !strings.HasPrefix(m[1], "d") {
			found = append(found, m[3]+" "+m[1]+" "+strings.ReplaceAll(m[2], "root/root", "0/0"))
		}
	}
	slices.Sort(found)
	return strings.Join(found, "\n") + "\n"
}

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("%s (UPDATE=1 writes it again):\n%s", golden, d)
	}
}

// lintian has nothing to say that bty.lintian-overrides does not explain.
func TestLintian(t *testing.T) {
	out, err := exec.Command("lintian", "--allow-root", "--pedantic", "--display-info", "--tag-display-limit=0",
		built(t).glob(t, "bty_*.deb")).CombinedOutput()
	if err != nil {
		t.Errorf("lintian (apt-get install lintian): %v", err)
	}
	// It depends on systemd. An override would be an error for Debian 13's lintian, which has no such tag.
	const noInit = "I: bty: package-supports-alternative-init-but-no-init.d-script "
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "N: ") && !strings.HasPrefix(line, noInit) {
			t.Error(strings.TrimSpace(line))
		}
	}
}

// Neither has rpmlint, that rpmlint.toml does not explain.
func TestRpmlint(t *testing.T) {
	b := built(t)
	out, err := exec.Command("rpmlint", "-c", "rpm/rpmlint.toml", b.glob(t, "bty-1*.rpm"), b.glob(t, "bty-selinux-*.rpm")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), " 2 packages and 0 specfiles checked; 0 errors, 0 warnings") {
		t.Errorf("rpmlint (apt-get install rpmlint): %v\n%s", err, out)
	}
}

// Every override has its reason above it.
func TestEveryExceptionHasAReason(t *testing.T) {
	for name, entry := range map[string]string{"deb/bty.lintian-overrides": `^bty: `, "rpm/rpmlint.toml": `^    "`} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		explained := false // by the comment above, which may be of several
		for line := range strings.Lines(string(text)) {
			exception := regexp.MustCompile(entry).MatchString(line)
			if exception && !explained {
				t.Errorf("%s: no reason above %s", name, strings.TrimSpace(line))
			}
			explained = strings.HasPrefix(strings.TrimSpace(line), "#") || explained && exception
		}
	}
}

// The licence of each linked module is in the package, and of what the pages load.
func TestLicences(t *testing.T) {
	text := output(t, "sh", "-c", `dpkg-deb --fsys-tarfile "$1" | tar -xOf - ./usr/share/doc/bty/licences-of-others.txt.gz | gzip -d`,
		"sh", built(t).glob(t, "bty_*.deb"))
	for _, program := range programs(t) {
		for line := range strings.Lines(output(t, "go", "version", "-m", built(t).bin(program))) {
			if f := strings.Fields(line); len(f) > 2 && f[0] == "dep" && !strings.Contains(text, "\n"+f[1]+" "+f[2]+": ") {
				t.Errorf("no licence of %s %s, which is in %s", f[1], f[2], program)
			}
		}
	}
	for _, other := range []string{"\nGo: LICENSE\n", "\nbootstrap-", "\nhtmx.org-", "\nbootstrap-icons-"} {
		if !strings.Contains(text, other) {
			t.Errorf("no licence of %q", strings.TrimSpace(other))
		}
	}
}

// The bill of materials lies in each package and beside it, and names each module that is linked.
func TestBillOfMaterials(t *testing.T) {
	b := built(t)
	inside := map[string]string{
		"deb": output(t, "sh", "-c", `dpkg-deb --fsys-tarfile "$1" | tar -xOf - ./usr/share/sbom/bty.cdx.json`, "sh", b.glob(t, "bty_*.deb")),
		"rpm": output(t, "sh", "-c", `rpm2cpio "$1" | cpio -i --quiet --to-stdout ./usr/share/sbom/bty.cdx.json`, "sh", b.glob(t, "bty-1*.rpm")),
	}
	for kind, bill := range inside {
		beside, err := os.ReadFile(b.glob(t, "bty-*."+kind+".cdx.json"))
		if err != nil || string(beside) != bill {
			t.Errorf("%s: the bill beside the package is not the one in it (%v)", kind, err)
		}
		for _, program := range programs(t) {
			if !strings.Contains(bill, `"program:`+program+`"`) {
				t.Errorf("%s: the bill does not name %s", kind, program)
			}
			for line := range strings.Lines(output(t, "go", "version", "-m", b.bin(program))) {
				if f := strings.Fields(line); len(f) > 2 && f[0] == "dep" && !strings.Contains(bill, `"pkg:golang/`+f[1]+"@"+f[2]+`"`) {
					t.Errorf("%s: the bill does not name %s %s, which is in %s", kind, f[1], f[2], program)
				}
			}
		}
	}
}

// programs are the names of our commands.
func programs(t *testing.T) (names []string) {
	t.Helper()
	mains, err := filepath.Glob("../cmd/*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatal("no commands", err)
	}
	for _, m := range mains {
		names = append(names, filepath.Base(filepath.Dir(m)))
	}
	return names
}

// An upgrade restarts services and never a socket; an installation starts and enables nothing.
func TestScripts(t *testing.T) {
	b := built(t)
	dir := t.TempDir()
	output(t, "dpkg-deb", "--control", b.glob(t, "bty_*.deb"), dir)
	deb, err := os.ReadFile(filepath.Join(dir, "postinst"))
	if err != nil {
		t.Fatal(err)
	}
	rpm := output(t, "rpm", "-qp", "--qf", "%{POSTIN}\n%{POSTUN}", b.glob(t, "bty-1*.rpm"))
	for name, script := range map[string]string{"postinst": string(deb), "rpm": rpm} {
		for line := range strings.Lines(script) {
			restarts := regexp.MustCompile(`\b(try-restart|restart|mark-restart-system-units)\b`).MatchString(line)
			if restarts && (!strings.Contains(line, "bty-web.service") || !strings.Contains(line, "bty-tftp.service") || !strings.Contains(line, "bty-cache.service")) {
				t.Errorf("%s: an upgrade does not restart the services: %s", name, line)
			}
			if restarts && regexp.MustCompile(`\.(socket|timer)\b|bty-backup`).MatchString(line) {
				t.Errorf("%s: an upgrade restarts more than services: %s", name, line)
			}
			if regexp.MustCompile(`systemctl.* (start|enable)|invoke (start|restart) `).MatchString(line) {
				t.Errorf("%s: an installation starts something: %s", name, line)
			}
		}
		if !strings.Contains(script, "try-restart") {
			t.Errorf("%s restarts nothing", name)
		}
	}
	if !strings.Contains(string(deb), "systemd-sysusers") || !strings.Contains(string(deb), "systemd-tmpfiles") {
		t.Error("postinst makes no users or no folders")
	}
}
