package systemd

import (
	"regexp"
	"strings"
	"testing"
)

// On a host as it is installed, the bundle has the units' states and the journal, and a password that
// only systemd knows, and that somebody typed as a label, is not in it. It works with the daemons stopped.
func TestSupportBundle(t *testing.T) {
	const secret = "a-password-as-credential"
	each(t, func(t *testing.T, h *host) {
		h.write("/etc/credstore/bty.admin-password", secret+"\n", 0o600)
		h.start()
		const mac = "52:54:00:00:00:01"
		h.run("curl", "--fail", "--silent", "--unix-socket", "/run/bty/control.sock", "http://socket/pxe/"+mac)
		h.run("curl", "--fail", "--silent", "--unix-socket", "/run/bty/control.sock", "-X", "PUT", "-H", "Content-Type: application/json",
			"--data", `{"boot_mode":"ipxe-exit","labels":["`+secret+`"]}`, "http://socket/machines/"+mac)
		all := h.bundle("/root/running.tar.gz")
		for _, want := range []string{mac, "[removed]", "Active: active (running)", "Listen: /run/bty/report.sock (Stream)", "systemd[1]: Started", "bty_", "bty.db"} {
			if !strings.Contains(all, want) {
				t.Errorf("%s does not have %q", h.Suite, want)
			}
		}
		if strings.Contains(all, secret) {
			t.Errorf("the password is in it")
		}
		h.run("systemctl", "stop", "bty-web.socket", "bty-control.socket", "bty-report.socket", "bty-web.service")
		all = h.bundle("/root/stopped.tar.gz")
		for _, want := range []string{"not whole: versions.txt, ready.json, machines.json", "Active: inactive (dead)", "systemd[1]: Stopped"} {
			if !strings.Contains(all, want) {
				t.Errorf("%s, stopped, does not have %q", h.Suite, want)
			}
		}
	})
}

// bundle makes one and returns all files of it.
func (h *host) bundle(path string) string {
	h.t.Helper()
	said := h.run("bty-lab", "support-bundle", path)
	if !regexp.MustCompile(`(?m)^` + path + `: \d+ files, \d+ kB$`).MatchString(said) {
		h.t.Errorf("it says %s", said)
	}
	return h.run("tar", "--extract", "--gzip", "--to-stdout", "--file", path)
}
