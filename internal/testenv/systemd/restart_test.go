package systemd

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/testenv/roots"
)

// How many restarts under load, and how long it is killed; `make test-long` has a hundred, and a minute.
var (
	restarts = 20
	killing  = 15 * time.Second
)

// `systemctl restart bty-web` while 50 machines ask, each on a connection of its own, and then on kept
// connections with bodies that nobody may send twice: not one request fails.
func TestRestartLosesNothing(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.enable()
		t.Run("connection per request", func(t *testing.T) { h.as(t).restartUnder(contacts()) })
		t.Run("kept connections", func(t *testing.T) { h.as(t).restartUnder(reports(h.as(t))) })
	})
}

// as is the same host in a subtest.
func (h *host) as(t *testing.T) *host { return &host{h.Host, t, t.Context()} }

func (h *host) restartUnder(ask func(context.Context, *clients) error) {
	h.t.Helper()
	c := h.load(50, nil, ask)
	for range restarts {
		c.awaitProgress(50)
		h.run("systemctl", "restart", "bty-web.service")
	}
	c.awaitProgress(50)
	c.check()
	c.checkKept()
}

// bty-web is killed twice a second while machines ask: nobody is refused, and what was answered is
// there afterwards. Only what the dying process had taken and not answered may be lost.
func TestKillsRefuseNobody(t *testing.T) {
	h := boot(t, roots.Bookworm)
	h.enable()
	c := h.load(20, cutOff, contacts())
	for begun := time.Now(); time.Since(begun) < killing; time.Sleep(500 * time.Millisecond) {
		c.awaitProgress(1)
		if pid, _ := strconv.Atoi(h.property("bty-web.service", "MainPID")); pid > 1 {
			h.run("kill", "-9", strconv.Itoa(pid))
		}
	}
	c.awaitProgress(50)
	c.check()
	c.checkKept()
	h.open(sockets)
}

// Twenty machines are in the middle of a file when bty-tftp is restarted: all of them get the whole file.
func TestTransfersFinishAcrossRestart(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		content := h.bootFile("ipxe.efi", 600_000) // two seconds of each machine's time; on a busy one some more
		h.enable()
		ctx, cancel := context.WithTimeout(h.ctx, 2*time.Minute)
		defer cancel()
		var begun, finished atomic.Int64
		var all sync.WaitGroup
		var machines []string // one may not have so many transfers
		for n := range 20 {
			machines = append(machines, fmt.Sprintf("10.77.0.%d", 200+n))
			if err := h.LAN.Addresses(ctx, "replace "+machines[n]+"/24 dev lan"); err != nil {
				t.Fatal(err)
			}
		}
		for _, from := range machines {
			all.Go(func() {
				got, err := h.read(ctx, request{from: from, to: IP, name: "ipxe.efi", options: []string{"tsize", "0", "blksize", "1468"},
					pace: 4 * time.Millisecond, started: func() { begun.Add(1) }})
				if err != nil || !bytes.Equal(got.data, content) {
					t.Errorf("%d bytes: %v", len(got.data), err)
				}
				finished.Add(1)
			})
		}
		for begun.Load() < 20 && finished.Load() == 0 && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
		if n := finished.Load(); n > 0 {
			t.Errorf("%d transfers were over before the restart; the test shows nothing", n)
		}
		was := h.property("bty-tftp.service", "MainPID")
		h.run("systemctl", "restart", "bty-tftp.service")
		if now := h.property("bty-tftp.service", "MainPID"); now == was || now == "0" {
			t.Errorf("bty-tftp is process %s after the restart, %s before it", now, was)
		}
		all.Wait()
	})
}

// What serves nothing stops at once, ends well and leaves nothing.
func TestStopsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.bootFile("ipxe.efi", 1000)
		h.enable()
		if err := h.get("/healthz"); err != nil {
			t.Fatal(err)
		}
		if _, err := h.read(h.ctx, request{to: IP, name: "ipxe.efi"}); err != nil {
			t.Fatal(err)
		}
		for _, unit := range []string{"bty-web.service", "bty-tftp.service"} {
			pid := h.property(unit, "MainPID")
			if pid == "0" {
				t.Fatalf("%s does not run", unit)
			}
			begun := time.Now()
			h.run("systemctl", "stop", unit)
			if took := time.Since(begun); took > 2*time.Second {
				t.Errorf("%s took %v to stop", unit, took)
			}
			if result, status := h.property(unit, "Result"), h.property(unit, "ExecMainStatus"); result != "success" || status != "0" {
				t.Errorf("%s ended as %s with status %s", unit, result, status)
			}
			if group := h.property(unit, "ControlGroup"); group != "" {
				t.Errorf("%s left its control group %s: a process is still in it", unit, group)
			}
		}
		if left, err := h.try("ls", "/run/bty"); err != nil || left != "control.sock\nreport\nreport.sock\n" {
			t.Errorf("in /run/bty: %q, %v; want the two sockets, and the folder in which containers see the second", left, err)
		}
	})
}
