package systemd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv/roots"
)

// A configuration that is not valid stands in the unit's status until there is a good one, and the
// daemon serves meanwhile.
func TestFailedReload(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.enable()
		if err := h.get("/healthz"); err != nil {
			t.Fatal(err)
		}
		pid := h.property("bty-web.service", "MainPID")
		h.write("/etc/bty/bty.toml", "[log]\nlevel = \"loud\"\n", 0o644)
		if _, err := h.try("systemctl", "reload", "bty-web.service"); err == nil {
			t.Error("the reload of a wrong configuration succeeded")
		}
		if status := h.property("bty-web.service", "StatusText"); !strings.Contains(status, "reload failed: ") || !strings.Contains(status, "loud") {
			t.Errorf("the status does not say what is wrong: %q", status)
		}
		if said := h.run("journalctl", "--no-pager", "--quiet", "--output=cat", "--unit=bty-web.service"); !strings.Contains(said, "reload failed; the configuration in force stays") {
			t.Error("the journal says nothing of the failed reload")
		}
		if err := h.get("/healthz"); err != nil {
			t.Errorf("after the failed reload: %v", err)
		}
		if now, state := h.property("bty-web.service", "MainPID"), h.property("bty-web.service", "ActiveState"); now != pid || state != "active" {
			t.Errorf("process %s, then %s, %s", pid, now, state)
		}
		h.write("/etc/bty/bty.toml", "[log]\nlevel = \"debug\"\n", 0o644)
		h.run("systemctl", "reload", "bty-web.service")
		if status := h.property("bty-web.service", "StatusText"); strings.Contains(status, "reload failed") || status == "" {
			t.Errorf("the status after a good reload: %q", status)
		}
		if now := h.property("bty-web.service", "MainPID"); now != pid {
			t.Errorf("the reload began another process")
		}
	})
}

// The second who wants the database is told at once who has it.
func TestSecondInstance(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.enable()
		if err := h.get("/healthz"); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		out, err := h.Command(h.ctx, "runuser", "-u", "bty", "--", "/usr/bin/bty-web").CombinedOutput()
		if err == nil || time.Since(begun) > 10*time.Second {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		t.Logf("%v after %v: %s", err, time.Since(begun).Round(time.Millisecond), out)
		for _, want := range []string{"/var/lib/bty/bty.db", "bty-web", h.property("bty-web.service", "MainPID")} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%q does not name %q", out, want)
			}
		}
		if err := h.get("/healthz"); err != nil {
			t.Errorf("the first one: %v", err)
		}
	})
}

// A SIGHUP at the first moment at which systemd calls a daemon started does not end it. `systemctl
// kill` is how somebody would send one; nothing of ours does.
func TestEarlyHangup(t *testing.T) {
	h := boot(t, roots.Trixie)
	h.bootFile("ipxe.efi", 1000)
	h.enable()
	for _, unit := range []string{"bty-web.service", "bty-tftp.service"} {
		for range 10 {
			h.run("sh", "-c", fmt.Sprintf("systemctl restart %[1]s && systemctl kill --signal=HUP %[1]s", unit))
			pid := h.property(unit, "MainPID")
			h.run("kill", "-HUP", pid)
			if now, state := h.property(unit, "MainPID"), h.property(unit, "ActiveState"); now != pid || now == "0" || state != "active" {
				t.Fatalf("%s: process %s became %s, %s", unit, pid, now, state)
			}
		}
		if n := h.property(unit, "NRestarts"); n != "0" {
			t.Errorf("%s was started again %s times", unit, n)
		}
	}
	if err := h.get("/healthz"); err != nil {
		t.Error(err)
	}
	h.checkHangupIsFirst("bty-web")
	h.checkHangupIsFirst("bty-tftp")
	h.checkHangupIsFirst("bty-cache")
}

// checkHangupIsFirst looks at the order in which a daemon's packages begin, which does not depend on
// how busy this machine is.
func (h *host) checkHangupIsFirst(program string) {
	h.t.Helper()
	out, err := h.Command(h.ctx, "env", "GODEBUG=inittrace=1", "/usr/bin/"+program, "--version").CombinedOutput()
	if err != nil {
		h.t.Fatalf("%v: %s", err, out)
	}
	var order []string
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "init" {
			order = append(order, fields[1])
		}
	}
	is := slices.Index(order, "bty/internal/daemon/hangup")
	for _, late := range []string{"net", "net/http", "regexp", "bty/internal/config"} {
		if i := slices.Index(order, late); is < 0 || i >= 0 && i < is {
			h.t.Errorf("%s listens for SIGHUP as package %d, after %s", program, is, late)
		}
	}
	h.t.Logf("%s listens for SIGHUP as package %d of %d", program, is+1, len(order))
}

// Idle, after each daemon has answered once.
func TestMemory(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.bootFile("ipxe.efi", 1<<20)
		running := h.start()
		for i := range 20 {
			if err := h.get(fmt.Sprintf("/pxe/52:54:00:00:00:%02x", i)); err != nil {
				t.Fatal(err)
			}
			if _, err := h.read(h.ctx, request{to: IP, name: "ipxe.efi", options: []string{"blksize", "1428"}}); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case <-time.After(3 * time.Second): // idle
		case <-h.ctx.Done():
		}
		total := 0
		for _, d := range running {
			rss := h.rss(h.property(d+".service", "MainPID"))
			t.Logf("%s: %.1f MiB", d, float64(rss)/1024)
			total += rss
		}
		t.Logf("together: %.1f MiB of 60", float64(total)/1024)
		if total > 60*1024 {
			t.Error("the daemons take more than 60 MiB")
		}
	})
}

// rss is what a process has in memory, in KiB. Not its share (Pss): the other host has the same program.
func (h *host) rss(pid string) int {
	h.t.Helper()
	for line := range strings.Lines(h.run("cat", "/proc/"+pid+"/smaps_rollup")) {
		if fields := strings.Fields(line); fields[0] == "Rss:" {
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				h.t.Fatal(err)
			}
			return n
		}
	}
	h.t.Fatalf("process %s has no Rss", pid)
	return 0
}
