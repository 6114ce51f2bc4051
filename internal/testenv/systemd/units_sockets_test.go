package systemd

import (
	"strings"
	"testing"
)

// The file modes of the sockets are the access control: whoever has not the group is refused by the
// kernel, before a byte is read.
func TestSocketModes(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.enable()
		for _, c := range []struct {
			group   string
			control bool
			report  bool
		}{{"nogroup", false, false}, {"bty", false, true}, {"bty-admin", true, false}} {
			if got := h.mayConnect(c.group, "control.sock"); got != c.control {
				t.Errorf("a member of %s may use the control socket: %v", c.group, got)
			}
			if got := h.mayConnect(c.group, "report.sock"); got != c.report {
				t.Errorf("a member of %s may use the report socket: %v", c.group, got)
			}
		}
		// The operator's tool needs no more than the group.
		for _, verb := range []string{"backups", "backup", "reload"} {
			out, err := h.try("setpriv", "--reuid=nobody", "--regid=bty-admin", "--clear-groups", "--", "bty-lab", verb)
			if err != nil {
				t.Errorf("bty-lab %s as a member of bty-admin: %s, %v", verb, out, err)
			}
		}
		h.run("systemctl", "restart", "bty-web.service")
		for path, want := range map[string]string{"control.sock": "660 root bty-admin", "report.sock": "660 root bty"} {
			if got := h.run("stat", "--format=%a %U %G", "/run/bty/"+path); got != want {
				t.Errorf("after a restart %s is %s, want %s", path, got, want)
			}
		}
	})
}

// mayConnect asks as a user who is nobody but has the group.
func (h *host) mayConnect(group, socket string) bool {
	h.t.Helper()
	out, err := h.try("setpriv", "--reuid=nobody", "--regid="+group, "--clear-groups", "--",
		"curl", "--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_code}", "--unix-socket", "/run/bty/"+socket, "http://socket/healthz")
	if err != nil && !strings.Contains(err.Error(), "exit status 7") { // 7: not connected
		h.t.Errorf("curl as %s: %v", group, err)
	}
	return err == nil && out != "000"
}

// What `systemctl clean` forgets is everything, and the appliance begins anew.
func TestClean(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.start()
		h.run("curl", "--fail", "--silent", "http://localhost:8080/pxe/52:54:00:12:34:56")
		machines := func() string {
			return h.run("curl", "--fail", "--silent", "--unix-socket", "/run/bty/control.sock", "http://control/machines")
		}
		if got := machines(); !strings.Contains(got, "52:54:00:12:34:56") {
			t.Fatal(got)
		}
		h.write("/var/lib/bty/boot/vmlinuz", "old", 0o644)
		h.run("systemctl", "stop", "bty-web.socket", "bty-tftp.socket", "bty-web.service", "bty-tftp.service")
		h.run("systemctl", "clean", "--what=state", "bty-web.service")
		if left, err := h.try("ls", "/var/lib/bty"); err == nil {
			t.Errorf("left in the state folder: %s", left)
		}
		h.run("systemd-tmpfiles", "--create", "bty.conf")
		h.run("systemctl", "start", "bty-web.socket", "bty-tftp.socket")
		if got := machines(); strings.Contains(got, "52:54:00:12:34:56") {
			t.Errorf("still known: %s", got)
		}
		if got := h.run("stat", "--format=%a %U %G", "/var/lib/bty"); got != "750 bty bty" {
			t.Errorf("the new state folder is %s", got)
		}
		h.write("/var/lib/bty/boot/vmlinuz", "new", 0o644)
		if got, _ := h.fetch("vmlinuz"); string(got) != "new" {
			t.Errorf("TFTP serves %q", got)
		}
	})
}
