package systemd

import (
	"net"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/packet"
)

// What an administrator is told by bty-lab doctor, with the daemons in their sandboxes: DHCP servers
// that were seen, who has a port, an address that is not the host's, and that bty-web is down.
func TestDoctor(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.enable()
		h.await(10*time.Second, sniffer, "ActiveState", "active")
		doctor(h, "UDP port 69 is held by systemd (pid 1, bty-tftp.socket)", "TCP port 8080 is held by")
		t.Run("DHCP", func(t *testing.T) { wrongDHCP(t, h) })
		t.Run("address", func(t *testing.T) { wrongAddress(t, h) })
		t.Run("port taken", func(t *testing.T) { namesTaker(t, h) })
		t.Run("down", func(t *testing.T) { saysDown(h) })
	})
}

// doctor runs it as root until it says what it must; it returns all that it said, and whether it
// found errors.
func doctor(h *host, says ...string) (out string, errors bool) {
	h.t.Helper()
	for begun := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		var err error
		out, err = h.try("bty-lab", "doctor")
		missing := ""
		for _, text := range says {
			if !strings.Contains(out, text) {
				missing = text
			}
		}
		if missing == "" {
			return out, err != nil
		}
		if time.Since(begun) > 15*time.Second {
			h.t.Fatalf("bty-lab doctor does not say %q: %v\n%s", missing, err, out)
		}
	}
}

// wrongDHCP is a LAN whose server tells UEFI to load a program for BIOS: bty-sniff sees it.
func wrongDHCP(t *testing.T, h *host) {
	port, err := h.LAN.Plug(h.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	server, err := h.LAN.ServeDHCP(h.ctx, testenv.Dnsmasq, "dhcp-boot=undionly.kpxe,,"+IP)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Kill()
	if _, err := port.Lease(packet.UEFI, net.HardwareAddr{0x52, 0x54, 0, 0, 3, 1}); err != nil {
		t.Fatal(err)
	}
	out, errors := doctor(h, testenv.ServerIP+" tells x86_64 UEFI over PXE to load undionly.kpxe, which is for BIOS", "52:54:00:00:03:01", "dnsmasq-arch")
	if !errors || strings.Contains(out, "which is not this appliance") {
		t.Errorf("errors: %v\n%s", errors, out)
	}
}

// wrongAddress is a setting that names somebody else's address. That bty-web knows its own is seen in
// the answer: its sandbox has no netlink.
func wrongAddress(t *testing.T, h *host) {
	h.write("/etc/bty/bty.toml", "[netboot]\naddress = \"203.0.113.77\"\n", 0o644)
	h.run("bty-lab", "reload")
	doctor(h, "[netboot] address is 203.0.113.77, which is no address of this host", IP+" on "+NIC)
	h.run("rm", "/etc/bty/bty.toml")
	h.run("bty-lab", "reload")
}

// namesTaker is a port that another program has.
func namesTaker(t *testing.T, h *host) {
	h.run("systemctl", "stop", "bty-tftp.socket", "bty-tftp.service")
	doctor(h, "Nobody listens on UDP port 69", "systemctl enable --now bty-tftp.socket")
	h.run("systemd-run", "--quiet", "--unit=taker", "socat", "-u", "UDP4-RECV:69", "OPEN:/dev/null")
	h.await(10*time.Second, "taker.service", "ActiveState", "active")
	pid := h.property("taker.service", "MainPID")
	if _, errors := doctor(h, "UDP port 69 is held by socat (pid "+pid+", taker.service)", "systemctl disable --now taker.service"); !errors {
		t.Error("a port that is taken is no error")
	}
	h.run("systemctl", "stop", "taker.service")
	h.run("systemctl", "start", "bty-tftp.socket")
	doctor(h, "UDP port 69 is held by systemd (pid 1, bty-tftp.socket)")
}

func saysDown(h *host) {
	h.run("systemctl", "stop", "bty-web.socket", "bty-control.socket", "bty-report.socket", "bty-web.service")
	if _, errors := doctor(h, "bty-web could not be asked", "Nobody listens on TCP port 8080", "systemctl enable --now bty-web.socket"); !errors {
		h.t.Error("that bty-web is down is no error")
	}
}
