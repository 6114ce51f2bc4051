package sniff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"bty/internal/testenv/packet"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/sys/unix"
)

// alone runs a test on a thread with a network namespace of its own, which ends with the thread.
func alone(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		if testing.Short() {
			t.Skip("needs root for network namespaces")
		}
		t.Fatal("needs root for network namespaces: run as root, or with -short to leave it out")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
}

// ip runs ip(8) in the namespace of this thread.
func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// cable makes a veth pair whose ends are up: ours is watched, theirs is the machine's.
func cable(t *testing.T, ours, theirs string) *packet.Port {
	t.Helper()
	ip(t, fmt.Sprintf("link add %s type veth peer name %s", ours, theirs))
	for _, end := range []string{ours, theirs} { // no packets but the test's
		ip(t, "link set "+end+" addrgenmode none arp off up")
	}
	running(t, ours, theirs)
	port, err := packet.Open(theirs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { port.Close() })
	return port
}

// running waits until links carry packets, which is a moment after they are up.
func running(t *testing.T, links ...string) {
	t.Helper()
	for _, link := range links {
		for begun := time.Now(); ; time.Sleep(time.Millisecond) {
			i, err := net.InterfaceByName(link)
			if err != nil || time.Since(begun) > 5*time.Second {
				t.Fatalf("%s does not come up: %+v %v", link, i, err)
			}
			if i.Flags&net.FlagRunning != 0 {
				break
			}
		}
	}
}

func send(t *testing.T, p *packet.Port, frames ...packet.Frame) {
	t.Helper()
	for _, f := range frames {
		if err := p.Send(f.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
}

// site is a watcher at work and what it saw.
type site struct {
	*testing.T
	*Watcher
	log *syncBuffer

	mu   sync.Mutex
	seen []string
	news chan struct{}
}

// watch starts a watcher in this thread's namespace.
func watch(t *testing.T, patterns string) *site {
	t.Helper()
	f, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	socket, err := Adopt(f)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePatterns(patterns)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{T: t, log: &syncBuffer{}, news: make(chan struct{}, 1)}
	s.Watcher = &Watcher{Socket: socket, Links: p, Log: slog.New(slog.NewTextHandler(s.log, nil)), Saw: s.saw}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Watcher.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		socket.Close()
	})
	return s
}

func (s *site) saw(seen Seen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := seen.Request; r != nil {
		s.seen = append(s.seen, fmt.Sprintf("%s %s %s on %s/%d", r.Message, r.MAC[15:], r.Arch, r.Link, r.VLAN))
	} else {
		a := seen.Answer
		s.seen = append(s.seen, fmt.Sprintf("%s %s %s from %s on %s/%d", a.Message, a.MAC[15:], a.Bootfile, a.From, a.Link, a.VLAN))
	}
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// wants waits until exactly these were seen since it was asked last.
func (s *site) wants(want ...string) {
	s.Helper()
	limit := time.After(5 * time.Second)
	for {
		s.mu.Lock()
		got := strings.Join(s.seen, "\n")
		n := len(s.seen)
		if n >= len(want) {
			s.seen = nil
		}
		s.mu.Unlock()
		if n >= len(want) {
			if got != strings.Join(want, "\n") {
				s.Errorf("seen\n%s\nwant\n%s", got, strings.Join(want, "\n"))
			}
			return
		}
		select {
		case <-s.news:
		case <-limit:
			s.Fatalf("seen\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}
func (b *syncBuffer) String() string { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

func mac(n byte) net.HardwareAddr { return net.HardwareAddr{0x52, 0x54, 0, 0, 1, n} }

func vlan(id uint16) packet.Tag { return packet.Tag{Type: packet.VLAN, ID: id} }
func qinq(id uint16) packet.Tag { return packet.Tag{Type: packet.QinQ, ID: id} }

var server = netip.MustParseAddr("192.0.2.1")

const discover = dhcpv4.MessageTypeDiscover

// Everything that a rack puts on the cable, with tags and without, on links old and new.
func TestWatcher(t *testing.T) {
	alone(t)
	port := cable(t, "lan0", "far0")
	s := watch(t, "!far*")
	send(t, port, packet.Of(packet.BIOS.Message(discover, mac(1))), packet.Of(packet.UEFI.Message(discover, mac(2)), vlan(5)),
		packet.Of(packet.HTTP.Message(discover, mac(3)), qinq(100), vlan(6)),
		packet.Of(packet.IPXE.Message(discover, mac(4)), qinq(1), vlan(2), vlan(7)))
	s.wants("DISCOVER 01 x86 BIOS on lan0/0", "DISCOVER 02 x86_64 UEFI on lan0/5", "DISCOVER 03 x86_64 UEFI HTTP Boot on lan0/6", "DISCOVER 04 x86_64 UEFI on lan0/7")

	offer := packet.Message(dhcpv4.MessageTypeOffer, mac(1), dhcpv4.WithServerIP(server.AsSlice()), dhcpv4.WithOption(dhcpv4.OptBootFileName("ipxe.efi")))
	send(t, port, packet.Answered(offer, server, vlan(5)), packet.Answered(offer, server)) // the copy on an untagged link
	s.wants("OFFER 01 ipxe.efi from 192.0.2.1 on lan0/5")

	send(t, port, packet.Of(packet.IPXE.Message(discover, mac(2)))) // no copy of its firmware's
	s.wants("DISCOVER 02 x86_64 UEFI on lan0/0")

	ip(t, "link set lan0 down")
	ip(t, "link set lan0 up")
	running(t, "lan0", "far0")
	send(t, port, packet.Of(packet.BIOS.Message(discover, mac(5))))
	s.wants("DISCOVER 05 x86 BIOS on lan0/0")

	added := cable(t, "lan1", "far1")
	send(t, added, packet.Of(packet.BIOS.Message(discover, mac(6))))
	s.wants("DISCOVER 06 x86 BIOS on lan1/0")
	ip(t, "link del lan0")
	send(t, added, packet.Of(packet.BIOS.Message(discover, mac(7))))
	s.wants("DISCOVER 07 x86 BIOS on lan1/0")
	if got := s.Status(); got != "DHCP: 8 requests, 1 answers seen" {
		t.Error(got)
	}
}

// A server on this host, behind a bridge: what it sends is seen, and once.
func TestThisHostsOwnPackets(t *testing.T) {
	alone(t)
	cable(t, "lan0", "far0")
	ip(t, "link add br0 type bridge")
	ip(t, "link set lan0 master br0")
	ip(t, "link set br0 up")
	running(t, "br0")
	s := watch(t, "!far*")
	bridge, err := packet.Open("br0")
	if err != nil {
		t.Fatal(err)
	}
	defer bridge.Close()
	own, err := net.InterfaceByName("br0")
	if err != nil {
		t.Fatal(err)
	}
	ack := packet.Message(dhcpv4.MessageTypeAck, mac(1), dhcpv4.WithOption(dhcpv4.OptBootFileName("ipxe.efi")))
	send(t, bridge, packet.Of(packet.Client{}.Message(discover, own.HardwareAddr)), // its own DHCP client is no machine to boot
		packet.Answered(ack, server))
	s.wants("ACK 01 ipxe.efi from 192.0.2.1 on br0/0")
}

func TestLinksAreChosen(t *testing.T) {
	alone(t)
	ip(t, "link set lo up")
	eth, veth := cable(t, "eth0", "far0"), cable(t, "veth7", "far1")
	s := watch(t, "!lo, !veth*, !far*")
	send(t, veth, packet.Of(packet.BIOS.Message(discover, mac(1))))
	send(t, eth, packet.Of(packet.BIOS.Message(discover, mac(2))))
	s.wants("DISCOVER 02 x86 BIOS on eth0/0")
}

// Nothing but DHCP reaches this process, and nobody can change that any more.
func TestFilterInTheKernel(t *testing.T) {
	alone(t)
	port := cable(t, "lan0", "far0")
	f, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	socket, err := Adopt(f)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	frames, pass := filterTable()
	for _, frame := range frames {
		if err := port.Send(frame.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	n, _, err := socket.read(1000, func(captured, time.Time) {})
	if err != nil || n != 2*pass { // at both ends
		t.Errorf("%d packets were captured, want %d; %v", n, 2*pass, err)
	}
	if err := unix.SetsockoptInt(socket.fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); err != unix.EPERM {
		t.Errorf("detach the filter: %v", err)
	}
	if err := unix.SetsockoptInt(socket.fd, unix.SOL_SOCKET, unix.SO_LOCK_FILTER, 0); err != unix.EPERM {
		t.Errorf("unlock the filter: %v", err)
	}
	if err := setFilter(socket.fd); !errors.Is(err, unix.EPERM) {
		t.Errorf("another filter: %v", err)
	}
}

// What was not prepared by Open is refused.
func TestAdoptRefuses(t *testing.T) {
	alone(t)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "dhcp")
	defer f.Close()
	if _, err := Adopt(f); err == nil || !strings.Contains(err.Error(), "bty-sniff-open") {
		t.Errorf("%v", err)
	}
}

// A stream of nonsense is counted, logged once, and takes nothing from the rest.
func TestMalformedPackets(t *testing.T) {
	alone(t)
	port := cable(t, "lan0", "far0")
	s := watch(t, "!far*")
	for n := range 300 {
		send(t, port, packet.Frame{From: mac(1), Src: netip.MustParseAddrPort("0.0.0.0:68"), Dst: netip.MustParseAddrPort("255.255.255.255:67"), Payload: bytes.Repeat([]byte{byte(n)}, n)})
	}
	send(t, port, packet.Of(packet.BIOS.Message(discover, mac(2))))
	s.wants("DISCOVER 02 x86 BIOS on lan0/0")
	for begun := time.Now(); s.log.String() == "" && time.Since(begun) < 5*time.Second; {
		time.Sleep(time.Millisecond) // it is written after they are counted
	}
	if lines := strings.Count(s.log.String(), "\n"); lines != 1 || !strings.Contains(s.log.String(), "could not be read") {
		t.Errorf("%d lines in the log: %s", lines, s.log)
	}
	if got := s.Status(); !strings.Contains(got, "300 malformed") {
		t.Error(got)
	}
}

// The watchdog's check fails when the loop is stuck, and passes when it is not.
func TestCheck(t *testing.T) {
	alone(t)
	port := cable(t, "lan0", "far0")
	s := watch(t, "!far*")
	for range 3 {
		if err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.mu.Lock() // the next packet blocks the loop
	send(t, port, packet.Of(packet.BIOS.Message(discover, mac(1))))
	time.Sleep(50 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.Check(ctx); err == nil {
		t.Error("a loop that is stuck passes")
	}
	s.mu.Unlock()
	s.wants("DISCOVER 01 x86 BIOS on lan0/0")
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// It watches, and nothing of it is on the cable.
func TestNothingIsSent(t *testing.T) {
	alone(t)
	port := cable(t, "lan0", "far0")
	s := watch(t, "!far*")
	send(t, port, packet.Of(packet.BIOS.Message(discover, mac(1))), packet.Of(packet.UEFI.Message(discover, mac(2))))
	s.wants("DISCOVER 01 x86 BIOS on lan0/0", "DISCOVER 02 x86_64 UEFI on lan0/0")
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	frames, err := port.Received(500 * time.Millisecond)
	if err != nil || len(frames) != 0 {
		t.Errorf("%d frames, %v: %x", len(frames), err, frames)
	}
}

// What came faster than it was read is said: in the status, and once in the log.
func TestLossIsTold(t *testing.T) {
	alone(t)
	port := cable(t, "lan0", "far0")
	s := watch(t, "!far*")
	s.mu.Lock() // the first packet blocks the loop
	frame := packet.Of(packet.BIOS.Message(discover, mac(1))).Bytes()
	for range receiveBuffer / 300 { // more than the buffer holds, whatever the kernel counts for each
		if err := port.Send(frame); err != nil {
			t.Fatal(err)
		}
	}
	s.mu.Unlock()
	for begun := time.Now(); !strings.Contains(s.log.String(), "lost packets"); time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > 10*time.Second {
			t.Fatalf("no word of the loss: %s, %s", s.log, s.Status())
		}
	}
	if lines := strings.Count(s.log.String(), "\n"); lines != 1 || !strings.Contains(s.Status(), "lost by the kernel") {
		t.Errorf("%d lines: %s; %s", lines, s.log, s.Status())
	}
}
