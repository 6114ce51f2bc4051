package tftp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bty/internal/nbp"
)

// A peer is the other end of TFTP in tests: firmware that sends what we tell it to.
type peer struct {
	t    testing.TB
	conn *net.UDPConn
	to   netip.AddrPort // of the request
	from netip.AddrPort // of the answer
	wait time.Duration  // for a packet
	buf  [1500]byte
}

func newPeer(t testing.TB, server netip.AddrPort) *peer {
	t.Helper()
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{t: t, conn: conn, to: server, wait: patience}
}

// newPeerFrom is a peer with an address of its own in 127.0.0.0/8.
func newPeerFrom(t testing.TB, addr string, server netip.AddrPort) *peer {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(addr)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{t: t, conn: conn, to: server, wait: patience}
}

// An errorPacket is what the server refused with.
type errorPacket struct {
	code uint16
	text string
}

func (e *errorPacket) Error() string { return fmt.Sprintf("code %d: %s", e.code, e.text) }

func packet(op uint16, name, mode string, options ...string) []byte {
	p := binary.BigEndian.AppendUint16(nil, op)
	for _, s := range append([]string{name, mode}, options...) {
		p = append(append(p, s...), 0)
	}
	return p
}

func (p *peer) send(b []byte, to netip.AddrPort) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDPAddrPort(b, to); err != nil {
		p.t.Error(err)
	}
}

// patience is how long a peer waits for a packet unless told otherwise.
const patience = 5 * time.Second

// read returns the next packet of the transfer. The first packet fixes the server's port; what
// comes from another is of a transfer to somebody who had our port before.
func (p *peer) read() ([]byte, error) {
	p.conn.SetReadDeadline(time.Now().Add(p.wait))
	for {
		n, from, err := p.conn.ReadFromUDPAddrPort(p.buf[:])
		if err != nil {
			return nil, err
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if p.from.IsValid() && from != p.from {
			continue
		}
		p.from = from
		b := p.buf[:n]
		if n >= 4 && binary.BigEndian.Uint16(b) == 5 {
			return nil, &errorPacket{binary.BigEndian.Uint16(b[2:]), strings.TrimRight(string(b[4:]), "\x00")}
		}
		return b, nil
	}
}

func (p *peer) ack(block uint16) {
	p.t.Helper()
	p.send(binary.BigEndian.AppendUint16([]byte{0, 4}, block), p.from)
}

// abort ends a transfer as firmware does that wanted the size only.
func (p *peer) abort(code uint16) {
	p.t.Helper()
	p.send(append(binary.BigEndian.AppendUint16([]byte{0, 5}, code), "User aborted the transfer\x00"...), p.from)
}

// ask sends a read request and returns the options of the answer, and the first data packet if
// the server accepted none.
func (p *peer) ask(name string, options ...string) (oack map[string]string, data []byte, err error) {
	p.t.Helper()
	p.send(packet(1, name, "octet", options...), p.to)
	b, err := p.read()
	if err != nil {
		return nil, nil, err
	}
	if binary.BigEndian.Uint16(b) == 3 {
		return nil, b, nil
	}
	oack = make(map[string]string)
	parts := strings.Split(string(b[2:]), "\x00")
	for i := 0; i+1 < len(parts)-1; i += 2 {
		oack[parts[i]] = parts[i+1]
	}
	return oack, nil, nil
}

// get transfers a file to its end.
func (p *peer) get(name string, options ...string) (content []byte, oack map[string]string, err error) {
	p.t.Helper()
	oack, data, err := p.ask(name, options...)
	if err != nil {
		return nil, nil, err
	}
	size := 512
	if s, ok := oack["blksize"]; ok {
		size, _ = strconv.Atoi(s)
	}
	if data == nil {
		p.ack(0)
	}
	var out bytes.Buffer
	for block := uint16(1); ; {
		if data == nil {
			if data, err = p.read(); err != nil {
				return out.Bytes(), oack, err
			}
		}
		if got := binary.BigEndian.Uint16(data[2:]); got != block {
			p.ack(block - 1) // an old block again
			data = nil
			continue
		}
		out.Write(data[4:])
		p.ack(block)
		if len(data)-4 < size {
			return out.Bytes(), oack, nil
		}
		block, data = block+1, nil
	}
}

// site is a server on loopback with a boot folder.
type site struct {
	*Server
	boot    string
	port    uint16
	reports chan Transfer
	logged  *lockedBuffer
	cancel  context.CancelFunc
	done    chan error
}

func (s *site) at(addr string) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), s.port)
}

func content(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func newSite(t testing.TB, edit func(*Config)) *site {
	t.Helper()
	conn, err := net.ListenUDP("udp", nil) // dual-stack, as systemd's
	if err != nil {
		t.Fatal(err)
	}
	return siteOn(t, conn, edit)
}

func siteOn(t testing.TB, conn *net.UDPConn, edit func(*Config)) *site {
	t.Helper()
	boot := t.TempDir()
	for name, size := range map[string]int{"ipxe.efi": 300001, "undionly.kpxe": 70000, "even": 1428 * 3, "even512": 1024, "empty": 0, "big": 2 << 20} {
		if err := os.WriteFile(filepath.Join(boot, name), content(size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := &site{boot: boot, port: conn.LocalAddr().(*net.UDPAddr).AddrPort().Port(), reports: make(chan Transfer, 1000), logged: &lockedBuffer{}}
	c := Config{
		Files: nbp.Library{Boot: boot}, IsScript: nbp.IsAutoexec, IsProgram: nbp.IsProgram,
		Script: func(local netip.Addr) []byte { return []byte("#!ipxe\n# " + local.String() + "\n") },
		Report: func(tr Transfer) { s.reports <- tr },
		Log:    slog.New(slog.NewTextHandler(s.logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if edit != nil {
		edit(&c)
	}
	s.Server = New(conn, c)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.done = cancel, make(chan error, 1)
	go func() { s.done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-s.done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(2 * drainLimit):
			t.Error("the server does not stop")
		}
	})
	<-s.Ready()
	return s
}

// both runs a test in either mode.
func both(t *testing.T, test func(t *testing.T, mode func(*Config))) {
	t.Parallel()
	t.Run("multi-port", func(t *testing.T) { test(t, func(c *Config) { c.SinglePort = false }) })
	t.Run("single-port", func(t *testing.T) { test(t, func(c *Config) { c.SinglePort = true }) })
}

func wantRefusal(t *testing.T, err error, text string) {
	t.Helper()
	var refusal *errorPacket
	if !errors.As(err, &refusal) || !strings.Contains(refusal.text, text) {
		t.Errorf("got %v, want an error packet with %q", err, text)
	}
}

// lockedBuffer is a log that a test may read while the server writes.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
