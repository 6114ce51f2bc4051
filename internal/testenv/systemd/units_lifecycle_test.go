package systemd

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv/roots"
)

// A reload is over when the command is, however often it is given; the process stays. (What is not
// valid: TestFailedReload.)
func TestReload(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.start()
		pid := h.property("bty-web.service", "MainPID")
		for i := range 50 {
			level := []string{"debug", "info"}[i%2]
			h.write("/etc/bty/bty.toml", "[log]\nlevel = '"+level+"'\n", 0o644)
			if out, err := h.try("systemctl", "reload", "bty-web.service"); err != nil {
				t.Fatalf("reload %d: %s, %v", i, out, err)
			}
		}
		if got := h.property("bty-web.service", "MainPID"); got != pid {
			t.Errorf("main process %s, was %s", got, pid)
		}
		if got := h.property("bty-web.service", "StatusText"); !strings.Contains(got, "machines known") {
			t.Errorf("status: %q", got)
		}
	})
}

// A daemon that hangs is found by the watchdog, ended with its stacks in the journal, and started anew;
// who asks in the meantime waits.
func TestWatchdog(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		for _, d := range daemons {
			h.dropIn(d+".service", "[Service]\nWatchdogSec=4s\nTimeoutAbortSec=4s")
		}
		pids := make(map[string]string)
		for _, d := range h.start() {
			pids[d] = h.property(d+".service", "MainPID")
		}
		time.Sleep(5 * time.Second)
		for d, pid := range pids {
			if got := h.property(d+".service", "MainPID"); got != pid {
				t.Fatalf("%s did not feed its watchdog", d)
			}
			h.run("kill", "-STOP", pid)
		}
		for d, pid := range pids {
			h.awaitSuccessor(d+".service", pid)
			if got := h.property(d+".service", "NRestarts"); got != "1" {
				t.Errorf("%s was restarted %s times", d, got)
			}
			if said := h.run("journalctl", "--no-pager", "--quiet", "--output=cat", "_PID="+pid); !strings.Contains(said, "SIGABRT: abort") {
				t.Errorf("%s left no stacks in the journal: %s", d, said)
			}
		}
		answer, err := h.client(false).Get(url("/healthz"))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	})
}

// awaitSuccessor waits for another main process than pid.
func (h *host) awaitSuccessor(unit, pid string) {
	h.t.Helper()
	for end := time.Now().Add(40 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if got := h.property(unit, "MainPID"); got != pid && got != "0" && h.property(unit, "ActiveState") == "active" {
			return
		}
		if time.Now().After(end) {
			h.t.Fatalf("%s hangs and nobody notices", unit)
		}
	}
}

// With the drop-in for a single port the daemon has no network at all, and serves the LAN from port 69.
func TestSinglePort(t *testing.T) {
	content := bytes.Repeat([]byte("boot"), 5000)
	each(t, func(t *testing.T, h *host) {
		h.useDropIn("bty-tftp.service.d/single-port.conf")
		h.dropIn("bty-tftp.service", "[Service]\nWatchdogSec=4s")
		h.enable()
		h.write("/var/lib/bty/boot/vmlinuz", string(content), 0o644)
		for range 2 { // cold and warm
			got, ports := h.fetch("vmlinuz")
			if !bytes.Equal(got, content) || len(ports) != 1 || !ports[69] {
				t.Errorf("%d bytes of %d, from the ports %v", len(got), len(content), ports)
			}
		}
		h.hasProven("bty-tftp", "tried and found impossible")
		pid := h.property("bty-tftp.service", "MainPID")
		if links := h.run("nsenter", "--net", "--target", pid, "ip", "-o", "link"); strings.Contains(links, NIC) {
			t.Errorf("it has a network: %s", links)
		}
		time.Sleep(5 * time.Second)
		if got := h.property("bty-tftp.service", "MainPID"); got != pid {
			t.Error("the watchdog takes it for dead")
		}
	})
}

// fetch gets a file by TFTP on the LAN, and tells from which of the host's ports it came.
func (h *host) fetch(name string) (content []byte, ports map[int]bool) {
	h.t.Helper()
	return h.fetchFrom(69, name)
}

func (h *host) fetchFrom(port int, name string) (content []byte, ports map[int]bool) {
	h.t.Helper()
	conn, err := h.LAN.ListenPacket(h.ctx, "0.0.0.0:0")
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.WriteToUDP([]byte("\x00\x01"+name+"\x00octet\x00"), &net.UDPAddr{IP: net.ParseIP(IP), Port: port}); err != nil {
		h.t.Fatal(err)
	}
	ports = make(map[int]bool)
	for buf := make([]byte, 1500); ; {
		n, from, err := conn.ReadFromUDP(buf)
		if err != nil {
			h.t.Fatal(err)
		}
		if n < 4 || buf[1] != 3 {
			h.t.Fatalf("%q", buf[:n])
		}
		ports[from.Port] = true
		if block := int(buf[2])<<8 | int(buf[3]); block == len(content)/512+1 {
			content = append(content, buf[4:n]...)
		}
		if _, err := conn.WriteToUDP([]byte{0, 4, buf[2], buf[3]}, from); err != nil {
			h.t.Fatal(err)
		}
		if n < 512+4 {
			return content, ports
		}
	}
}

// Each drop-in does what it says, also all at once.
func TestDropIns(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.run("sh", "-c", "cp -r /usr/share/doc/bty/dropins/*.d /etc/systemd/system/ && rm /etc/systemd/system/bty-web.service.d/encrypted-password.conf && systemctl daemon-reload")
		h.run("install", "-d", "-m", "750", "-o", "bty-cache", "-g", "bty", "/srv/images") // as bty-cache.service.d/folder.conf says
		h.write("/etc/bty/bty.toml", "[server]\nport = 80\n[admin]\npassword = '"+secret+"'\n", 0o640)
		h.run("chgrp", "bty", "/etc/bty/bty.toml") // who is in the group reads it, nobody else
		h.start()
		if err := h.healthy(80); err != nil {
			t.Errorf("the new port: %v", err)
		}
		if err := h.healthy(8080); err == nil {
			t.Error("the old port answers still")
		}
		if h.Suite != roots.Bookworm {
			for unit, want := range map[string]string{"bty-web.service": "RestartSteps=8", "bty-tftp.service": "RestartSteps=8", "bty-web.socket": "PollLimitBurst=200"} {
				if name, value, _ := strings.Cut(want, "="); h.property(unit, name) != value {
					t.Errorf("%s has not %s", unit, want)
				}
			}
			if said := h.run("journalctl", "--no-pager", "--quiet", "--output=cat", "_PID=1"); strings.Contains(said, "Unknown key") {
				t.Errorf("systemd does not know a key: %s", said)
			}
		}
		for unit, properties := range map[string][]string{"bty-tftp.socket": {"IPAddressDeny"}, "bty-tftp.service": {"IPAddressAllow", "IPAddressDeny"}} {
			for _, p := range properties {
				if got := h.property(unit, p); got != "" {
					t.Errorf("%s has %s=%s", unit, p, got)
				}
			}
		}
	})
}
