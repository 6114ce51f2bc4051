package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every daemon runs without any right of root, and has found so itself.
func TestDaemonsHaveNoRights(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		for _, d := range h.start() {
			status := h.run("cat", "/proc/"+h.property(d+".service", "MainPID")+"/status")
			for _, want := range []string{"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
				"CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
				if !strings.Contains(status, "\n"+want+"\n") {
					t.Errorf("%s has not %q:\n%s", d, want, status)
				}
			}
			if strings.Contains(status, "\nUid:\t0\t") {
				t.Errorf("%s is root", d)
			}
			h.hasProven(d, "tried and found impossible")
		}
		// One right given back is named, with the directive.
		h.dropIn("bty-tftp.service", "[Service]\nMemoryDenyWriteExecute=no")
		h.run("systemctl", "restart", "bty-tftp.service")
		h.hasProven("bty-tftp", `can="writable code (MemoryDenyWriteExecute=)"`)
	})
}

// hasProven looks for the one line of a daemon's start about what it cannot do.
func (h *host) hasProven(daemon, want string) {
	h.t.Helper()
	var lines []string
	for end := time.Now().Add(5 * time.Second); len(lines) == 0 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) { // journald is not in a hurry
		for line := range strings.Lines(h.said(daemon + ".service")) {
			if strings.Contains(line, "tried and found impossible") || strings.Contains(line, "can do what its unit should forbid") {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) != 1 || !strings.Contains(lines[0], want) {
		h.t.Errorf("%s said %q, want one line with %q", daemon, lines, want)
	}
}

// A foreign program, in the place of each service's own, tries what an attacker would; it can do what
// the service is for and nothing else.
func TestSandboxes(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "probe")
	build := exec.Command("go", "build", "-o", bin, "./probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program, err := os.ReadFile(bin)
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, h *host) {
		h.start()
		h.write("/usr/local/bin/probe", string(program), 0o755)
		for service, want := range map[string]string{
			"bty-web":    "boot cache db inet inet6 netlink report state",
			"bty-cache":  "cache images inet inet6",
			"bty-tftp":   "inet inet6 report",
			"bty-sniff":  "report",
			"bty-backup": "control",
		} {
			if h.property(service+".service", "LoadState") != "loaded" {
				continue // this build has none
			}
			if got := h.probe(service); got != want {
				t.Errorf("in the sandbox of %s one can: %s; want: %s", service, got, want)
			}
		}
	})
}

var command = regexp.MustCompile(`(?m)^(ExecStartPre|ExecStart|ExecReload|Sockets|Type|Requires|WatchdogSec|Restart)=.*\n`)

// probe runs the probe with a service's sandbox and returns what it could do.
func (h *host) probe(service string) string {
	h.t.Helper()
	text := h.run("cat", "/usr/lib/systemd/system/"+service+".service")
	text = strings.Replace(command.ReplaceAllString(text+"\n", ""), "[Service]\n", "[Service]\nType=oneshot\nExecStart=/usr/local/bin/probe\n", 1)
	h.write("/run/systemd/system/probe-"+service+".service", text, 0o644)
	h.run("systemctl", "daemon-reload")
	h.run("systemctl", "start", "probe-"+service+".service")
	h.run("journalctl", "--sync")
	could := strings.Fields(h.run("journalctl", "--no-pager", "--quiet", "--output=cat", "SYSLOG_IDENTIFIER=probe", "_SYSTEMD_UNIT=probe-"+service+".service"))
	slices.Sort(could)
	return strings.Join(could, " ")
}
