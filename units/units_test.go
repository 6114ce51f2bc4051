// Package units_test holds the units against what the installed systemd understands.
package units_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, pattern string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: nothing there (%v)", pattern, err)
	}
	units := make(map[string]string)
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		units[p] = string(b)
	}
	return units
}

func analyze(t *testing.T, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Fatal("systemd-analyze is missing: apt-get install systemd")
	}
	out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	return string(out), err
}

// staged copies the units to a folder, with programs that exist: verify looks for them.
func staged(t *testing.T) (dir string, paths []string) {
	t.Helper()
	dir = t.TempDir()
	program := regexp.MustCompile(`(?m)^(ExecStart|ExecReload)=.*$`)
	for name, text := range read(t, "*.[s][oel]*") {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, program.ReplaceAll([]byte(text), []byte("$1=/bin/true")), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return dir, paths
}

// verify exits 0 on keys that it does not know; only an empty output is good.
func TestSystemdUnderstandsTheUnits(t *testing.T) {
	_, paths := staged(t)
	if out, err := analyze(t, append([]string{"verify", "--man=no", "--recursive-errors=yes"}, paths...)...); err != nil || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
}

// Tenths of systemd-analyze's exposure level; lower is better. They may only fall.
var exposure = map[string]string{"bty-web.service": "12", "bty-tftp.service": "13"}

func TestExposure(t *testing.T) {
	dir, _ := staged(t)
	for unit, limit := range exposure {
		if out, err := analyze(t, "security", "--offline=true", "--threshold="+limit, filepath.Join(dir, unit)); err != nil {
			lines := strings.Split(strings.TrimSpace(out), "\n")
			t.Errorf("%s: %v: %s", unit, err, lines[len(lines)-1])
		}
	}
}

// What the daemons expect by name (systemd.Expect) is what the sockets are called.
func TestSocketNames(t *testing.T) {
	for unit, want := range map[string]string{"bty-web": "http", "bty-control": "control", "bty-report": "report", "bty-tftp": "tftp"} {
		if text := read(t, unit+".socket")[unit+".socket"]; !strings.Contains(text, "\nFileDescriptorName="+want+"\n") {
			t.Errorf("%s.socket is not called %s", unit, want)
		}
	}
}

func TestServicesKeepTheirPromises(t *testing.T) {
	for unit, text := range read(t, "*.service") {
		lines := strings.Split(text, "\n")
		for _, want := range []string{"Type=notify", "StartLimitIntervalSec=0", "CapabilityBoundingSet=", "NoNewPrivileges=yes", "SystemCallErrorNumber=EPERM"} {
			if !slices.Contains(lines, want) {
				t.Errorf("%s lacks %s", unit, want)
			}
		}
		if strings.Contains(text, "RuntimeDirectory=") && !strings.Contains(text, "# /run/bty is not a RuntimeDirectory") {
			t.Errorf("%s has a RuntimeDirectory: stopping it would delete the sockets", unit)
		}
	}
}

func TestUsersAndFolders(t *testing.T) {
	users := []byte(read(t, "sysusers.d/*.conf")["sysusers.d/bty.conf"])
	folders := []byte(read(t, "tmpfiles.d/*.conf")["tmpfiles.d/bty.conf"])
	for _, want := range []string{"u bty ", "g bty-admin "} {
		if !bytes.Contains(users, []byte(want)) {
			t.Errorf("sysusers.d lacks %q", want)
		}
	}
	if !bytes.Contains(folders, []byte("d /run/bty ")) {
		t.Error("tmpfiles.d lacks /run/bty")
	}
}
