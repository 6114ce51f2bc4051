package tftp

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestFilesArriveWhole(t *testing.T) {
	both(t, func(t *testing.T, mode func(*Config)) {
		s := newSite(t, func(c *Config) { mode(c); c.Script = nil }) // no repeats
		for name, size := range map[string]int{"ipxe.efi": 300001, "even": 1428 * 3, "even512": 1024, "empty": 0} {
			for _, options := range [][]string{nil, {"blksize", "1428"}, {"tsize", "0", "blksize", "1468", "windowsize", "4"}, {"blksize", "1024", "tsize", "0"}} {
				got, oack, err := newPeer(t, s.at("127.0.0.1")).get(name, options...)
				if err != nil || !bytes.Equal(got, content(size)) {
					t.Errorf("%s %v: %d bytes, options %v, %v", name, options, len(got), oack, err)
				}
			}
		}
	})
}

func TestOptions(t *testing.T) {
	both(t, func(t *testing.T, mode func(*Config)) {
		s := newSite(t, mode)
		for _, tt := range []struct {
			asked []string
			want  map[string]string
		}{
			{[]string{"blksize", "1468", "tsize", "0", "windowsize", "4"}, map[string]string{"blksize": "1428", "tsize": "300001"}}, // EDK2
			{[]string{"blksize", "1432", "tsize", "0"}, map[string]string{"blksize": "1428", "tsize": "300001"}},                    // iPXE
			{[]string{"tsize", "0", "blksize", "1456"}, map[string]string{"blksize": "1428", "tsize": "300001"}},                    // PXE ROM
			{[]string{"blksize", "65464"}, map[string]string{"blksize": "1428"}},
			{[]string{"blksize", "512"}, map[string]string{"blksize": "512"}},
			{[]string{"tsize", "7"}, map[string]string{"tsize": "300001"}}, // ours, not the client's
			{[]string{"blksize", "8"}, map[string]string{}},                // refused by leaving it out
			{[]string{"blksize", "x", "timeout", "3"}, map[string]string{}},
		} {
			p := newPeer(t, s.at("127.0.0.1"))
			oack, _, err := p.ask("ipxe.efi", tt.asked...)
			p.abort(8)
			if err != nil || len(oack) != len(tt.want) {
				t.Errorf("%v: %v, %v", tt.asked, oack, err)
				continue
			}
			for k, v := range tt.want {
				if oack[k] != v {
					t.Errorf("%v: %s is %q, want %q", tt.asked, k, oack[k], v)
				}
			}
		}
	})
}

// The reply must come from the address that was asked: firmware drops others. One dual-stack
// wildcard socket serves all of them; IPv4 arrives v4-mapped there.
func TestReplyComesFromTheAddressAsked(t *testing.T) {
	both(t, func(t *testing.T, mode func(*Config)) {
		s := newSite(t, mode)
		for _, addr := range []string{"127.0.0.1", "127.0.0.9", "127.3.2.1", "::1"} {
			p := newPeer(t, s.at(addr))
			if _, _, err := p.get("even", "blksize", "1428"); err != nil {
				t.Errorf("%s: %v", addr, err)
			}
			if p.from.Addr().String() != addr {
				t.Errorf("asked %s, answered from %s", addr, p.from)
			}
			script, _, err := newPeer(t, s.at(addr)).get("autoexec.ipxe")
			if err != nil || string(script) != "#!ipxe\n# "+addr+"\n" {
				t.Errorf("script names %q, %v", script, err)
			}
			if s.SinglePort != (p.from.Port() == s.port) {
				t.Errorf("single-port %v, but answered from port %d", s.SinglePort, p.from.Port())
			}
		}
	})
}

// What is queued before the daemon runs, as with socket activation, gets the same answers as what
// comes later: the right block size and address.
func TestRequestsQueuedBeforeTheStart(t *testing.T) {
	both(t, func(t *testing.T, mode func(*Config)) {
		conn, err := net.ListenUDP("udp", nil)
		if err != nil {
			t.Fatal(err)
		}
		addrs := []string{"127.0.0.1", "127.0.0.9", "::1"}
		var peers []*peer
		for _, addr := range addrs {
			server := conn.LocalAddr().(*net.UDPAddr).AddrPort()
			p := newPeer(t, (&site{port: server.Port()}).at(addr))
			p.send(packet(1, "ipxe.efi", "octet", "blksize", "1468", "tsize", "0"), p.to)
			peers = append(peers, p)
		}
		siteOn(t, conn, mode)
		for i, p := range peers {
			b, err := p.read()
			if err != nil || !strings.Contains(string(b), "blksize\x001428\x00") {
				t.Errorf("%s: %q, %v", addrs[i], b, err)
			}
			if p.from.Addr().String() != addrs[i] {
				t.Errorf("asked %s, answered from %s", addrs[i], p.from)
			}
			p.abort(8)
		}
	})
}

func TestRefusals(t *testing.T) {
	both(t, func(t *testing.T, mode func(*Config)) {
		s := newSite(t, mode)
		if err := os.Symlink("/etc/passwd", filepath.Join(s.boot, "link")); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(s.boot, "even512"), maxFile+1); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"none": "no such file: none", "../x": "invalid name", `..\..\etc\passwd`: "invalid name", "/etc/passwd": "no such file",
			"": "invalid name", "link": "no such file", "even512": "too large for TFTP (512 MiB at most); fetch it over HTTP",
		} {
			_, _, err := newPeer(t, s.at("127.0.0.1")).get(name, "blksize", "1428")
			wantRefusal(t, err, want)
		}
		p := newPeer(t, s.at("127.0.0.1"))
		p.send(packet(2, "ipxe.efi", "octet", "tsize", "5"), p.to)
		_, err := p.read()
		wantRefusal(t, err, "read-only")
		if b, err := os.ReadFile(filepath.Join(s.boot, "ipxe.efi")); err != nil || len(b) != 300001 {
			t.Errorf("the file changed: %d bytes, %v", len(b), err)
		}
	})
}

func TestTransfersAreBounded(t *testing.T) {
	both(t, func(t *testing.T, mode func(*Config)) {
		s := newSite(t, func(c *Config) { mode(c); c.MaxTransfers, c.MaxPerClient = 4, 3 })
		var held []*peer
		hold := func(addr string) error {
			p := newPeerFrom(t, addr, s.at("127.0.0.1"))
			_, _, err := p.ask("ipxe.efi", "blksize", "1428")
			if err == nil {
				held = append(held, p)
			}
			return err
		}
		for range 3 {
			if err := hold("127.0.0.2"); err != nil {
				t.Fatal(err)
			}
		}
		wantRefusal(t, hold("127.0.0.2"), "busy: 3 transfers to your address")
		if err := hold("127.0.0.3"); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, hold("127.0.0.4"), "busy: 4 transfers are running; try again")
		for _, p := range held {
			p.abort(8)
		}
		waitFor(t, func() bool { return s.slots.used() == 0 })
		if err := hold("127.0.0.2"); err != nil {
			t.Error(err)
		}
		held[len(held)-1].abort(8)
	})
}

func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never came to be")
		}
	}
}

func TestManyClientsAtOnce(t *testing.T) {
	both(t, func(t *testing.T, mode func(*Config)) {
		s := newSite(t, mode)
		var clients sync.WaitGroup
		for i := range 64 {
			p := newPeerFrom(t, fmt.Sprintf("127.0.2.%d", i+1), s.at("127.0.0.1"))
			clients.Go(func() {
				got, _, err := p.get("undionly.kpxe", "blksize", "1428", "tsize", "0")
				if err != nil || !bytes.Equal(got, content(70000)) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			})
		}
		clients.Wait()
	})
}

// A lost acknowledgement costs a quarter of a second, not seconds.
func TestRetransmissionIsQuickAndBounded(t *testing.T) {
	both(t, func(t *testing.T, mode func(*Config)) {
		s := newSite(t, mode)
		p := newPeer(t, s.at("127.0.0.1"))
		if _, _, err := p.ask("even", "blksize", "1428"); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if _, err := p.read(); err != nil { // the OACK again: we did not acknowledge it
			t.Fatal(err)
		}
		if d := time.Since(begun); d > 10*timeout {
			t.Errorf("the first retransmission took %v", d)
		}
		p.abort(0)
	})
	total := timeout
	for n := range retries {
		total += timeout + backoff(n)
	}
	if total > 15*time.Second {
		t.Errorf("a silent client holds its slot for %v", total)
	}
}

func TestSilentClientIsGivenUp(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 12 s")
	}
	t.Parallel()
	s := newSite(t, nil)
	if _, _, err := newPeer(t, s.at("127.0.0.1")).ask("ipxe.efi", "blksize", "1428"); err != nil {
		t.Fatal(err)
	}
	if tr := <-s.reports; tr.Err == nil || tr.Client.String() != "127.0.0.1" || tr.Served != "ipxe.efi" {
		t.Errorf("%+v", tr)
	}
	if n := s.slots.used(); n > 1 {
		t.Errorf("%d slots held", n)
	}
}

// pin/tftp by itself reads a dead socket for ever.
func TestDeadSocketEndsRun(t *testing.T) {
	both(t, func(t *testing.T, mode func(*Config)) {
		conn, err := net.ListenUDP("udp", nil)
		if err != nil {
			t.Fatal(err)
		}
		c := Config{Log: quiet()}
		mode(&c)
		s := New(conn, c)
		done := make(chan error, 1)
		go func() { done <- s.Run(context.Background()) }()
		<-s.Ready()
		if err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if err := s.Check(t.Context()); err == nil {
			t.Error("the check passes on a closed socket")
		}
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), "the TFTP socket is gone") {
				t.Errorf("got %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("Run goes on without a socket")
		}
	})
}

// The descriptor itself may be closed under us, or become something else.
func TestAliveSeesAForeignDescriptor(t *testing.T) {
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := alive(conn); err != nil {
		t.Fatal(err)
	}
	raw, _ := conn.SyscallConn()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	raw.Control(func(fd uintptr) {
		if err := unix.Dup3(int(null.Fd()), int(fd), unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
	})
	if err := alive(conn); err == nil {
		t.Error("/dev/null passes for a UDP socket")
	}
}

func TestRunningTransfersEndBeforeRunDoes(t *testing.T) {
	both(t, func(t *testing.T, mode func(*Config)) {
		s := newSite(t, mode)
		p := newPeer(t, s.at("127.0.0.1"))
		if _, _, err := p.ask("even", "blksize", "1428"); err != nil {
			t.Fatal(err)
		}
		s.cancel()
		p.ack(0)
		for block := uint16(1); block <= 4; block++ {
			if _, err := p.read(); err != nil {
				t.Fatalf("block %d: %v", block, err)
			}
			p.ack(block)
		}
		err := <-s.done
		if err != nil {
			t.Error(err)
		}
		if tr := <-s.reports; tr.Err != nil || tr.Bytes != 1428*3 {
			t.Errorf("%+v", tr)
		}
		s.done <- nil // for the clean-up
	})
}

func TestCheckProvesTheLoop(t *testing.T) {
	for _, network := range []string{"udp4", "udp6", "udp"} {
		conn, err := net.ListenUDP(network, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := siteOn(t, conn, nil)
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if err := s.Check(ctx); err != nil {
				t.Errorf("%s: %v", network, err)
			}
			cancel()
		}
	}
	idle, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := New(idle, Config{Log: quiet()}).Check(ctx); err == nil {
		t.Error("a server that does not run passes its check")
	}
}
