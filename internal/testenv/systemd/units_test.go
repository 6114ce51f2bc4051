package systemd

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bty/internal/testenv/exposure"
)

// daemons have a service each; tests of one kind of promise go through all of them.
var daemons = []string{"bty-web", "bty-tftp", "bty-sniff", "bty-cache"}

// Each systemd understands every unit as it was installed, and finds each service as well shut in as
// docs/systemd.md says.
func TestUnits(t *testing.T) {
	table, err := exposure.Read("../../../docs/systemd.md")
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, h *host) {
		units := strings.Fields(h.run("sh", "-c", "cd /usr/lib/systemd/system && echo bty*.socket bty*.service bty*.timer bty*.slice"))
		out, err := h.Command(h.ctx, "systemd-analyze", append([]string{"verify", "--man=no", "--recursive-errors=yes"}, units...)...).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%v: %s", err, out)
		}
		version, err := exposure.Version(h.run("systemctl", "--version"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(table.Versions, version) {
			t.Errorf("docs/systemd.md says nothing of systemd %s", version)
		}
		check := func(name, unit string) {
			level, err := exposure.Parse(h.run("systemd-analyze", "security", "--offline=true", "--no-pager", unit))
			if err == nil {
				err = table.Check(name, version, level)
			}
			if err != nil {
				t.Error(err)
			}
		}
		for _, unit := range units {
			if filepath.Ext(unit) == ".service" {
				check(unit, "/usr/lib/systemd/system/"+unit)
			}
		}
		h.run("sh", "-c", "cp -r /usr/share/doc/bty/dropins/bty-tftp.service.d /usr/lib/systemd/system/bty-tftp.service /run && cd /run/bty-tftp.service.d && rm $(ls | grep -v single-port)")
		check("bty-tftp.service with single-port.conf", "/run/bty-tftp.service")
	})
}

// start brings up every daemon that there is.
func (h *host) start() (running []string) {
	h.t.Helper()
	h.enable()
	for _, d := range daemons {
		if h.property(d+".service", "LoadState") != "loaded" {
			continue // this build has none
		}
		h.run("systemctl", "start", d+".service")
		running = append(running, d)
	}
	return running
}

// said is what a unit's processes have logged since they were started last.
func (h *host) said(unit string) string {
	h.t.Helper()
	return h.run("journalctl", "--no-pager", "--quiet", "--output=cat", "_SYSTEMD_INVOCATION_ID="+h.property(unit, "InvocationID"))
}
