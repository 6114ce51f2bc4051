// Package units_test holds the units against what the installed systemd understands.
package units_test

import (
	"bytes"
	"maps"
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
	program := regexp.MustCompile(`(?m)^(Exec[A-Za-z]+)=.*$`)
	for name, text := range units(t) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, program.ReplaceAll([]byte(text), []byte("$1=/bin/true")), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return dir, paths
}

// units are the unit files by name.
func units(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, kind := range []string{"socket", "service", "timer", "slice"} {
		maps.Copy(all, read(t, "*."+kind))
	}
	return all
}

// verify exits 0 on keys that it does not know; only an empty output is good.
func TestSystemdUnderstandsTheUnits(t *testing.T) {
	_, paths := staged(t)
	if out, err := analyze(t, append([]string{"verify", "--man=no", "--recursive-errors=yes"}, paths...)...); err != nil || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
}

// What the daemons expect by name (systemd.Expect) is what the sockets are called.
func TestSocketNames(t *testing.T) {
	for unit, want := range map[string]string{"bty-web": "http", "bty-control": "control", "bty-report": "report", "bty-tftp": "tftp",
		"bty-cache": "http", "bty-cache-control": "control"} {
		if text := read(t, unit+".socket")[unit+".socket"]; !strings.Contains(text, "\nFileDescriptorName="+want+"\n") {
			t.Errorf("%s.socket is not called %s", unit, want)
		}
	}
}

func TestServicesKeepTheirPromises(t *testing.T) {
	every := []string{"Slice=bty.slice", "CapabilityBoundingSet=", "AmbientCapabilities=", "NoNewPrivileges=yes",
		"ProtectSystem=strict", "SystemCallFilter=~@privileged @resources", "SystemCallErrorNumber=EPERM"}
	daemons := []string{"Type=notify", "Restart=on-failure", "RestartSec=500ms", "WatchdogSec=30s", "StartLimitIntervalSec=0"}
	for unit, text := range read(t, "*.service") {
		lines := strings.Split(text, "\n")
		promises := slices.Clone(every)
		if !slices.Contains(lines, "Type=oneshot") {
			promises = append(promises, daemons...)
		}
		for _, want := range promises {
			if !slices.Contains(lines, want) {
				t.Errorf("%s lacks %s", unit, want)
			}
		}
		if slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "RuntimeDirectory=") }) {
			t.Errorf("%s has a RuntimeDirectory: stopping it would delete the sockets", unit)
		}
	}
}

// A limit on starts closes a socket until a person comes.
func TestSocketsStayOpen(t *testing.T) {
	for unit, text := range read(t, "*.socket") {
		if !strings.Contains(text, "\nTriggerLimitIntervalSec=0\n") {
			t.Errorf("%s may fail for being busy", unit)
		}
	}
}

// plain directives say by themselves why they are there.
var plain = []string{"Description", "Documentation", "ExecStart", "Type", "User", "Group", "ListenStream", "Service",
	"StateDirectory", "CacheDirectory", "CacheDirectoryMode", "WantedBy", "Sockets"}

func TestEveryDirectiveHasItsReason(t *testing.T) {
	for unit, text := range units(t) {
		if !strings.Contains(text, "\nDocumentation=man:") {
			t.Errorf("%s names no manual page", unit)
		}
		said := false
		for n, line := range strings.Split(text, "\n") {
			key, _, directive := strings.Cut(line, "=")
			switch {
			case strings.HasPrefix(line, "#"):
				said = true
			case !directive: // an empty line, a section
				said = false
			case !said && !slices.Contains(plain, key):
				t.Errorf("%s:%d: no comment says why: %s", unit, n+1, line)
			}
		}
	}
}

// Each unit of the appliance's is stopped and started with the one that is enabled.
func TestOneSocketBringsUpAll(t *testing.T) {
	all := units(t)
	for _, enabled := range []string{"bty-web.socket", "bty-cache.socket"} {
		wants := regexp.MustCompile(`(?m)^Wants=(.*)$`).FindStringSubmatch(all[enabled])
		if wants == nil {
			t.Fatalf("%s wants nothing", enabled)
		}
		for _, unit := range strings.Fields(wants[1]) {
			if text, ok := all[unit]; ok && !strings.Contains(text, "\nPartOf="+enabled+"\n") {
				t.Errorf("%s outlives %s", unit, enabled)
			}
		}
	}
}

func TestUsersAndFolders(t *testing.T) {
	users := []byte(read(t, "sysusers.d/*.conf")["sysusers.d/bty.conf"])
	folders := []byte(read(t, "tmpfiles.d/*.conf")["tmpfiles.d/bty.conf"])
	for _, want := range []string{"u bty ", "g bty-admin ", "u bty-cache "} {
		if !bytes.Contains(users, []byte(want)) {
			t.Errorf("sysusers.d lacks %q", want)
		}
	}
	if !bytes.Contains(folders, []byte("d /run/bty ")) {
		t.Error("tmpfiles.d lacks /run/bty")
	}
}
