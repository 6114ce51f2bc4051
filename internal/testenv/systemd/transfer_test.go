package systemd

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// transfer is one TFTP read by a client of our own, which notes what libraries hide: what was agreed
// and where answers came from.
type transfer struct {
	options map[string]string // of the OACK
	from    netip.Addr        // of every packet
	data    []byte
}

// request is what to read, from which address of the host.
type request struct {
	from    string // an address of the LAN, "" for any
	to      string
	name    string
	options []string      // names and values in turn
	pace    time.Duration // between two packets: a slow machine
	started func()        // called at the first block
}

// read carries the transfer out as RFC 1350 and 2347 have it: a packet that does not come is asked for
// again, as every boot ROM does.
func (h *host) read(ctx context.Context, r request) (transfer, error) {
	t := transfer{options: map[string]string{}}
	conn, err := h.packetConn(r.from)
	if err != nil {
		return t, err
	}
	defer conn.Close()
	to := netip.AddrPortFrom(netip.MustParseAddr(r.to), 69)
	packet := []byte("\x00\x01" + r.name + "\x00octet\x00")
	for _, o := range r.options {
		packet = append(packet, o+"\x00"...)
	}
	buf := make([]byte, 1<<16)
	blksize, next := 512, uint16(1)
	for tries := 0; ; {
		if _, err := conn.WriteToUDPAddrPort(packet, to); err != nil {
			return t, err
		}
		n, from, err := await(ctx, conn, buf)
		if err != nil {
			if tries++; tries > 8 || ctx.Err() != nil {
				return t, fmt.Errorf("%s: nothing came after block %d: %w", r.name, next-1, err)
			}
			continue
		}
		if t.from.IsValid() && t.from != from.Addr() {
			return t, fmt.Errorf("%s: packets from %v and %v", r.name, t.from, from.Addr())
		}
		t.from, to = from.Addr(), from
		switch op := binary.BigEndian.Uint16(buf); {
		case op == 6 && next == 1:
			fields := strings.Split(string(buf[2:n]), "\x00")
			for i := 0; i+1 < len(fields); i += 2 {
				t.options[strings.ToLower(fields[i])] = fields[i+1]
			}
			if s := t.options["blksize"]; s != "" {
				if _, err := fmt.Sscan(s, &blksize); err != nil {
					return t, err
				}
			}
			packet = []byte{0, 4, 0, 0}
		case op == 3 && binary.BigEndian.Uint16(buf[2:]) == next:
			tries = 0
			if t.data = append(t.data, buf[4:n]...); next == 1 && r.started != nil {
				r.started()
			}
			packet = binary.BigEndian.AppendUint16([]byte{0, 4}, next)
			if next++; n-4 < blksize {
				_, err := conn.WriteToUDPAddrPort(packet, to)
				return t, err
			}
			time.Sleep(r.pace) // the machine's own slowness
		case op == 5:
			return t, fmt.Errorf("%s: error %d %s", r.name, binary.BigEndian.Uint16(buf[2:]), buf[4:n])
		}
	}
}

func await(ctx context.Context, conn *net.UDPConn, buf []byte) (int, netip.AddrPort, error) {
	deadline := time.Now().Add(time.Second)
	if end, ok := ctx.Deadline(); ok && end.Before(deadline) {
		deadline = end
	}
	if err := conn.SetReadDeadline(deadline); err != nil {
		return 0, netip.AddrPort{}, err
	}
	n, from, err := conn.ReadFromUDPAddrPort(buf)
	return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), err
}

// packetConn is a UDP socket on the LAN, for both versions of IP if it is bound to no address.
func (h *host) packetConn(from string) (conn *net.UDPConn, err error) {
	err = h.LAN.Inside(func() error {
		conn, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)})
		return err
	})
	return conn, err
}
