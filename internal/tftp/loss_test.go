package tftp

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

// lossy is a line between one client and the server that loses packets in both directions: every
// nth, and never the request.
type lossy struct {
	near, far *net.UDPConn
	nth       int64
	passed    atomic.Int64
	lost      atomic.Int64
	client    atomic.Pointer[netip.AddrPort]
	server    atomic.Pointer[netip.AddrPort]
}

func newLossy(t testing.TB, server netip.AddrPort, nth int64) *lossy {
	t.Helper()
	l := &lossy{nth: nth}
	l.server.Store(&server)
	for _, end := range []**net.UDPConn{&l.near, &l.far} {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		*end = conn
	}
	go l.carry(l.near, l.far, &l.client, &l.server)
	go l.carry(l.far, l.near, &l.server, &l.client)
	return l
}

// carry takes what comes in at one end to whoever spoke last at the other.
func (l *lossy) carry(in, out *net.UDPConn, speaker, listener *atomic.Pointer[netip.AddrPort]) {
	buf := make([]byte, 2048)
	for {
		n, from, err := in.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		speaker.Store(&from)
		if passed := l.passed.Add(1); passed > 1 && passed%l.nth == 0 {
			l.lost.Add(1)
			continue
		}
		_, _ = out.WriteToUDPAddrPort(buf[:n], *listener.Load())
	}
}

// On a line that loses every tenth packet, a loss costs a quarter of a second as a rule, and nothing
// but what was lost is sent again.
func TestLossyLine(t *testing.T) {
	both(t, func(t *testing.T, mode func(*Config)) {
		s := newSite(t, func(c *Config) { mode(c); c.Script = nil })
		line := newLossy(t, s.at("127.0.0.1"), 10)
		p := newPeer(t, line.near.LocalAddr().(*net.UDPAddr).AddrPort())
		begun := time.Now()
		got, _, err := p.get("undionly.kpxe", "blksize", "1428", "tsize", "0")
		took := time.Since(begun)
		if err != nil || !bytes.Equal(got, content(70000)) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		p.ack(50) // the last block again, for the first may be among the lost
		lost, passed := line.lost.Load(), line.passed.Load()
		each := took / time.Duration(max(lost, 1))
		t.Logf("%d of %d packets lost: %v, %v for each", lost, passed, took.Round(time.Millisecond), each.Round(time.Millisecond))
		if lost < 8 {
			t.Errorf("only %d packets were lost", lost)
		}
		if each > 2*timeout {
			t.Errorf("a loss costs %v", each)
		}
		const packets = 2 * (1 + 1 + 70000/1428 + 1) // request and options, the blocks, each answered
		if extra := passed - packets; extra > 3*lost {
			t.Errorf("%d packets more than needed for %d losses", extra, lost)
		}
		select {
		case tr := <-s.reports:
			if tr.Err != nil || tr.Bytes != 70000 {
				t.Errorf("%+v", tr)
			}
		case <-time.After(20 * time.Second):
			t.Error("the server does not know that it is over")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := s.Check(ctx); err != nil {
			t.Error(err)
		}
	})
}
