package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/packet"

	"golang.org/x/sys/unix"
)

// site is the three daemons and somebody else's DHCP server in a LAN, and a machine on its cable.
type site struct {
	*testing.T
	lan   *testenv.LAN
	env   []string
	far   string // the machine's network namespace
	cable *packet.Port
}

func newSite(t *testing.T) *site {
	t.Helper()
	needRoot(t)
	ctx := t.Context()
	lan := must(testenv.OpenLAN(ctx))
	t.Cleanup(func() {
		if err := lan.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &site{T: t, lan: lan, env: []string{"BTY_PATHS_STATE_DIR=" + lan.Dir + "/state", "BTY_PATHS_RUN_DIR=" + lan.Dir, "BTY_LOG_FORMAT=text"}}
	boot := filepath.Join(lan.Dir, "state", "boot")
	if err := os.MkdirAll(boot, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(boot, "ipxe.efi"), []byte("the program"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.far = must(lan.Beside(ctx, "eth0", nil))
	inNetwork(t, s.far, func() (err error) { s.cable, err = packet.Open("eth0"); return err })
	t.Cleanup(func() { s.cable.Close() })
	must(lan.DHCP(ctx, testenv.StockBootFiles, ""))
	return s
}

// inNetwork runs f on a thread in a network namespace; the thread ends with it.
func inNetwork(t *testing.T, name string, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		there, err := os.Open("/run/netns/" + name)
		if err == nil {
			err = errors.Join(unix.Setns(int(there.Fd()), unix.CLONE_NEWNET), there.Close())
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func (s *site) start(name, ready string, env ...string) *testenv.Process {
	s.Helper()
	p, err := s.lan.Start(testenv.Program{Path: program(name), Env: append(s.env, env...)})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		p.Kill()
		if s.Failed() {
			s.Log(p.Log.Tail(30))
		}
	})
	if _, err := p.Log.Expect(s.Context(), 10*time.Second, ready); err != nil {
		s.Fatal(err)
	}
	return p
}

// web asks bty-web over one of its sockets.
func (s *site) web(socket, path string) string {
	out, _ := exec.Command("curl", "--silent", "--unix-socket", filepath.Join(s.lan.Dir, socket), "http://bty"+path).Output() // "" as long as it is not there
	return string(out)
}

// fetch has the machine fetch the LAN's bootfile with the address that it got.
func (s *site) fetch(address net.IP) string {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	defer cancel()
	ip := func(verb string) {
		if out, err := exec.CommandContext(ctx, "ip", "-n", s.far, "addr", verb, address.String()+"/24", "dev", "eth0").CombinedOutput(); err != nil {
			s.Fatalf("%v: %s", err, out)
		}
	}
	ip("add")
	defer ip("del")
	out, err := exec.CommandContext(ctx, "ip", "netns", "exec", s.far, "curl", "--silent", "--show-error", "tftp://"+testenv.ServerIP+"/ipxe.efi").CombinedOutput()
	if err != nil {
		s.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// The bootfile is the program for firmware and the script for iPXE, at the first request of each: what
// DHCP said of the address decides, before the TFTP server has ever seen it.
func TestIPXEGetsTheScriptAtOnce(t *testing.T) {
	s := newSite(t)
	s.start("bty-web", "listening|serving|started|default password")
	s.start("bty-tftp", "listening by itself")
	s.start("bty-sniff", "packet socket is its own")
	for _, c := range []struct {
		packet.Client
		last byte
		want string
	}{{packet.UEFI, 1, "the program"}, {packet.IPXE, 2, "#!ipxe"}, {packet.UEFI, 3, "the program"}, {packet.IPXE, 3, "#!ipxe"}} {
		mac := net.HardwareAddr{0x52, 0x54, 0, 0, 3, c.last}
		ack, err := s.cable.Lease(c.Client, mac)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.fetch(ack.YourIPAddr); !strings.HasPrefix(got, c.want) {
			t.Errorf("machine %d, %s %s: it got %.60q", c.last, c.Class, c.UserClass, got)
		}
		waitFor(t, mac.String()+" is known", func() bool { return strings.Contains(s.web("control.sock", "/machines"), mac.String()) })
	}
	// Each transfer is the machine's whose address it was.
	waitFor(t, "four transfers of machines", func() bool {
		return strings.Count(s.web("control.sock", "/events?kind=netboot.tftp.transfer"), `"subject_id":"52:54:00:00:03:0`) == 4
	})
}

// What is seen while bty-web is away is told when it is back.
func TestReportsWaitForTheirReader(t *testing.T) {
	s := newSite(t)
	sniffer := s.start("bty-sniff", "packet socket is its own")
	macs := []net.HardwareAddr{{0x52, 0x54, 0, 0, 3, 1}, {0x52, 0x54, 0, 0, 3, 2}}
	for _, mac := range macs {
		if _, err := s.cable.Lease(packet.UEFI, mac); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sniffer.Log.Expect(t.Context(), 10*time.Second, "does not take reports"); err != nil {
		t.Fatal(err)
	}
	s.start("bty-web", "listening|serving|started|default password")
	for _, mac := range macs {
		waitFor(t, mac.String()+" is known", func() bool { return strings.Contains(s.web("control.sock", "/machines"), mac.String()) })
	}
	if err := sniffer.Stop(); err != nil {
		t.Error(err)
	}
}
