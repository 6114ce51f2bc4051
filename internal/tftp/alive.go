package tftp

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	pin "github.com/pin/tftp/v3"
	"golang.org/x/sys/unix"

	"bty/internal/message"
)

// alive returns an error if conn's socket is gone. pin drops read errors and reads again at once,
// so that a dead socket would mean a busy processor and no service.
func alive(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("the TFTP socket is gone: %w", err)
	}
	var bad error
	if err := raw.Control(func(fd uintptr) {
		var typ int
		typ, bad = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE)
		if bad == nil && typ != unix.SOCK_DGRAM {
			bad = fmt.Errorf("it is of type %d now", typ)
		}
	}); err != nil {
		bad = err
	}
	if bad != nil {
		return fmt.Errorf("the TFTP socket is gone: %w", bad)
	}
	return nil
}

// heartbeat is a packet with an unknown opcode that the server sends to itself through its own
// socket: pin reports it as an error, which proves that its loop takes packets.
type heartbeat struct {
	mu   sync.Mutex
	wait chan struct{}
}

// beatOpcode is no opcode of TFTP (1 to 6).
const beatOpcode = 0xB7E1

// Check proves that the loop works, or returns an error when ctx ends before it did.
func (s *Server) Check(ctx context.Context) error {
	heard := s.beat.expect()
	if err := s.sendToSelf(binary.BigEndian.AppendUint16(nil, beatOpcode)); err != nil {
		return fmt.Errorf("the TFTP socket cannot send to itself: %w", err)
	}
	select {
	case <-heard:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the TFTP loop took no packet: %w", ctx.Err())
	}
}

func (s *Server) sendToSelf(packet []byte) error {
	var failed error
	for _, to := range selfAddrs(s.conn) {
		if _, failed = s.conn.WriteToUDPAddrPort(packet, to); failed == nil {
			return nil
		}
	}
	return failed
}

func (h *heartbeat) expect() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wait == nil {
		h.wait = make(chan struct{})
	}
	return h.wait
}

func (h *heartbeat) heard() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wait != nil {
		close(h.wait)
		h.wait = nil
	}
}

// selfAddrs are addresses on which conn hears itself, the better first: a dual-stack socket may
// live on a host without IPv6.
func selfAddrs(conn *net.UDPConn) []netip.AddrPort {
	self := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	if !self.Addr().IsUnspecified() {
		return []netip.AddrPort{self}
	}
	loop4 := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if self.Addr().Is4() {
		return []netip.AddrPort{netip.AddrPortFrom(loop4, self.Port())}
	}
	return []netip.AddrPort{
		netip.AddrPortFrom(netip.IPv6Loopback(), self.Port()),
		netip.AddrPortFrom(netip.AddrFrom16(loop4.As16()), self.Port()),
	}
}

// hook hears pin's own failures. Those of transfers are handled where they happen; what is left
// comes from the loop: packets that are no requests, and requests that no socket could be opened
// for.
type hook struct{ s *Server }

func (h hook) OnSuccess(pin.TransferStats) {}

func (h hook) OnFailure(t pin.TransferStats, err error) {
	switch {
	case t.RemoteAddr != nil:
	case err.Error() == "unknown opcode: "+strconv.Itoa(beatOpcode):
		h.s.beat.heard()
	case strings.HasPrefix(err.Error(), "listen "):
		h.s.refused.Warn(netip.Addr{}, "a request could not be answered: no port of its own", message.TFTPNoPort, "err", err)
	default:
		h.s.refused.Info(netip.Addr{}, "a packet that is no request", message.TFTPMalformed, "err", err)
	}
}
