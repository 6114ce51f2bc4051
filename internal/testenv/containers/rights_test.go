package containers

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// No process in any container has a capability, all run as the user of the images, and nothing but the
// volumes can be written.
func TestContainersHaveNoRights(t *testing.T) {
	t.Parallel()
	h := appliance(t)
	h.overTFTP("ipxe.efi")
	h.get("/healthz")
	h.run("systemctl", "start", "bty-cache.service")
	// What may be had at all is NET_RAW, bit 13, and the sniffer's alone; it has given it up.
	bounds := map[string]string{"bty-sniff": "0000000000002000"}
	volumes := map[string]string{"bty-web": "/var/lib/bty /var/lib/bty/boot", "bty-tftp": "", "bty-cache": "/var/cache/bty", "bty-sniff": ""}
	for _, daemon := range daemons {
		h.awaitUnit(20*time.Second, daemon+".service", "ActiveState", "active")
		pid := h.process(daemon)
		for _, status := range strings.Split(h.run("sh", "-c", fmt.Sprintf("cat /proc/%d/task/*/status", pid)), "Name:") {
			h.checkStatus(daemon, status, bounds[daemon])
		}
		if got := strings.Join(writable(h.run("cat", fmt.Sprintf("/proc/%d/mountinfo", pid))), " "); got != volumes[daemon] {
			t.Errorf("%s may write %q, want %q", daemon, got, volumes[daemon])
		}
	}
	for daemon, want := range map[string]string{"bty-tftp": "report.sock", "bty-sniff": "report.sock", "bty-cache": ""} {
		if got := h.run("sh", "-c", fmt.Sprintf("ls /proc/%d/root/run/bty 2>/dev/null || true", h.process(daemon))); got != want {
			t.Errorf("of the sockets in /run/bty, %s sees %q, want %q", daemon, got, want)
		}
	}
	if links := h.run("nsenter", fmt.Sprintf("--target=%d", h.process("bty-tftp")), "--net", "ip", "-oneline", "link", "show", "up"); strings.Contains(links, "eth") {
		t.Errorf("bty-tftp has a network: %s", links)
	}
	if said := h.journal("_SYSTEMD_UNIT=bty-sniff.service", "MESSAGE_ID=1fa72bf009e043f9ae4877c3c65d3b88"); len(said) != 1 {
		t.Errorf("bty-sniff says %d times that it has given its right up", len(said))
	}
	h.reportsTransfers("before the socket is opened anew")
	h.run("systemctl", "stop", "bty-web.socket", "bty-control.socket", "bty-report.socket", "bty-web.service")
	h.run("systemctl", "start", "bty-web.socket")
	h.get("/healthz")
	h.reportsTransfers("after it")
}

// reportsTransfers: bty-web hears from bty-tftp's container what a machine has loaded.
func (h *host) reportsTransfers(when string) {
	h.t.Helper()
	heard := func() int { return len(h.journal("_SYSTEMD_UNIT=bty-web.service", "BTY_EVENT=netboot.tftp.transfer")) }
	before := heard()
	h.overTFTP("ipxe.efi")
	for end := time.Now().Add(10 * time.Second); heard() == before; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Errorf("%s: bty-web does not hear of a transfer", when)
			return
		}
	}
}

func (h *host) checkStatus(daemon, status, bound string) {
	h.t.Helper()
	const none = "0000000000000000"
	if bound == "" {
		bound = none
	}
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		want := ""
		switch name {
		case "CapInh", "CapPrm", "CapEff", "CapAmb":
			want = none
		case "CapBnd":
			want = bound
		case "Uid", "Gid":
			want = "1000\t1000\t1000\t1000"
		case "NoNewPrivs":
			want = "1"
		case "Seccomp":
			want = "2"
		default:
			continue
		}
		if value != want {
			h.t.Errorf("%s: %s is %q, want %q", daemon, name, value, want)
		}
	}
}

// writable are the mounts of files that are not read-only. What the kernel and Podman have in /proc and
// /dev is theirs.
func writable(mountinfo string) (places []string) {
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		place := fields[4]
		if strings.HasPrefix(place, "/proc") || strings.HasPrefix(place, "/dev") || strings.HasPrefix(place, "/sys") || place == "/run/systemd/journal/socket" {
			continue
		}
		if strings.HasPrefix(fields[5], "rw") {
			places = append(places, place)
		}
	}
	return places
}
