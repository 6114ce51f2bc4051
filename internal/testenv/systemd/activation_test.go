package systemd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv/roots"
)

// figure is what an appliance is to reach on a machine that does nothing else; a test allows ten times
// that, because here everything runs at once.
func figure(t *testing.T, what string, got, figure time.Duration) {
	t.Helper()
	t.Logf("%s: %v (figure %v)", what, got.Round(100*time.Microsecond), figure)
	if got > 10*figure {
		t.Errorf("%s took %v; ten times the figure of %v is the bound", what, got, figure)
	}
}

// get asks for a path and throws the answer's body away.
func (h *host) get(path string) error {
	answer, err := h.client(false).Get(url(path))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != 200 {
		return fmt.Errorf("%s: %s", path, answer.Status)
	}
	return nil
}

// active are our units that are up, but for slices.
func (h *host) active() []string {
	var units []string
	for line := range strings.Lines(h.run("systemctl", "list-units", "--plain", "--no-legend", "--state=active,activating,failed", "bty*")) {
		if unit := strings.Fields(line)[0]; !strings.HasSuffix(unit, ".slice") {
			units = append(units, unit)
		}
	}
	return units
}

// After a boot nothing of ours runs but the sniffer, until somebody asks; and the first who asks is
// answered at once.
func TestFirstRequestAfterBoot(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.enable()
		if err := h.Reboot(h.ctx); err != nil {
			t.Fatal(err)
		}
		units := h.active()
		for _, want := range []string{"bty-web.socket", "bty-control.socket", "bty-report.socket", "bty-tftp.socket"} {
			if !slices.Contains(units, want) {
				t.Errorf("%s is not up after a boot", want)
			}
		}
		for _, unit := range units {
			if strings.HasSuffix(unit, ".service") && unit != "bty-sniff.service" {
				t.Errorf("%s is up before anybody asked", unit)
			}
		}
		t.Log("up after boot:", units)
		begun := time.Now()
		if err := h.get("/pxe/52:54:00:00:00:01"); err != nil {
			t.Fatal(err)
		}
		figure(t, "the first request after boot", time.Since(begun), 300*time.Millisecond)
	})
}

// Fifty cold starts, each of which is somebody's first request.
func TestColdActivation(t *testing.T) {
	h := boot(t, roots.Bookworm)
	h.enable()
	var took []time.Duration
	for i := range 50 {
		h.run("systemctl", "stop", "bty-web.service")
		begun := time.Now()
		if err := h.get(fmt.Sprintf("/pxe/52:54:00:00:00:%02x", i)); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	t.Logf("of 50 cold starts: fastest %v, median %v", took[0].Round(time.Millisecond), took[25].Round(time.Millisecond))
	figure(t, "the slowest of 50 cold starts (p99)", took[49], 300*time.Millisecond)
}

// A boot file of the host, as bty-web would have stored it.
func (h *host) bootFile(name string, size int) []byte {
	h.t.Helper()
	content := bytes.Repeat([]byte("0123456789abcdef\r\n\x00\xff"), size/20+1)[:size]
	if err := os.WriteFile(h.inside("/var/lib/bty/boot/"+name), content, 0o644); err != nil {
		h.t.Fatal(err)
	}
	return content
}

// The request that starts bty-tftp is answered like the ones after it: the same block size, and from
// the address that was asked, whichever of the host's it is.
func TestTFTPActivation(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		content := h.bootFile("ipxe.efi", 300_000)
		h.run("ip", "addr", "add", "10.77.0.10/24", "dev", NIC)
		h.run("ip", "addr", "add", "10.77.0.11/24", "dev", NIC)
		h.enable()
		ctx, cancel := context.WithTimeout(h.ctx, 2*time.Minute)
		defer cancel()
		var agreed []string
		for _, to := range []string{IP, "10.77.0.10", "10.77.0.11", IP6, IP} {
			if to != IP || len(agreed) == 0 {
				h.run("systemctl", "stop", "bty-tftp.service")
			}
			got, err := h.read(ctx, request{to: to, name: "ipxe.efi", options: []string{"tsize", "0", "blksize", "1468"}})
			if err != nil {
				t.Fatal(to, err)
			}
			if !bytes.Equal(got.data, content) || got.options["tsize"] != "300000" {
				t.Errorf("%s: %d bytes, options %v", to, len(got.data), got.options)
			}
			if got.from != netip.MustParseAddr(to) {
				t.Errorf("asked %s, answered by %v", to, got.from)
			}
			agreed = append(agreed, got.options["blksize"])
		}
		t.Log("block sizes of four first requests and one more:", agreed)
		if len(slices.Compact(slices.Clone(agreed))) != 1 || agreed[0] == "" || agreed[0] == "512" {
			t.Errorf("block sizes %v; want the same large one every time", agreed)
		}
	})
}
