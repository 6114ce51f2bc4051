package packet

import (
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/sys/unix"
)

// Port is one end of a cable, for frames as they are.
type Port struct {
	fd    int
	index int
}

// Open opens a link of the calling thread's network namespace, by name, when it carries packets:
// that is a moment after it is up.
func Open(link string) (*Port, error) {
	i, err := net.InterfaceByName(link)
	for begun := time.Now(); err == nil && i.Flags&net.FlagRunning == 0; i, err = net.InterfaceByName(link) {
		if time.Since(begun) > 5*time.Second {
			return nil, fmt.Errorf("%s does not come up: %s", link, i.Flags)
		}
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		return nil, err
	}
	all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL})
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all))
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: i.Index}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &Port{fd, i.Index}, nil
}

// Close gives it up.
func (p *Port) Close() error { return unix.Close(p.fd) }

// Send puts a frame on the cable.
func (p *Port) Send(frame []byte) error {
	if _, err := unix.Write(p.fd, frame); err != nil {
		return fmt.Errorf("send a frame: %w", err)
	}
	return nil
}

// Received returns the frames that came from the other end, after waiting for silence that long.
func (p *Port) Received(silence time.Duration) (frames [][]byte, err error) {
	limit := unix.NsecToTimeval(silence.Nanoseconds())
	if err := unix.SetsockoptTimeval(p.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return nil, err
	}
	for {
		b := make([]byte, 1<<16)
		n, from, err := unix.Recvfrom(p.fd, b, 0)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return frames, nil
		case err != nil:
			return frames, err
		}
		if link, ok := from.(*unix.SockaddrLinklayer); ok && link.Pkttype != unix.PACKET_OUTGOING {
			frames = append(frames, b[:n])
		}
	}
}

// answerTime is how long a DHCP server may take; dnsmasq that is to ping first takes longer.
const answerTime = 5 * time.Second

// Lease gets an address for a machine as its firmware or its iPXE does: DISCOVER, OFFER, REQUEST, ACK.
func (p *Port) Lease(c Client, mac net.HardwareAddr) (ack *dhcpv4.DHCPv4, err error) {
	if err := p.Send(Of(c.Message(dhcpv4.MessageTypeDiscover, mac)).Bytes()); err != nil {
		return nil, err
	}
	offer, err := p.answer(mac, dhcpv4.MessageTypeOffer)
	if err != nil {
		return nil, err
	}
	request := c.Message(dhcpv4.MessageTypeRequest, mac, dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(offer.YourIPAddr)),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(offer.ServerIdentifier())))
	if err := p.Send(Of(request).Bytes()); err != nil {
		return nil, err
	}
	return p.answer(mac, dhcpv4.MessageTypeAck)
}

// answer waits for a message of a server.
func (p *Port) answer(mac net.HardwareAddr, kind dhcpv4.MessageType) (*dhcpv4.DHCPv4, error) {
	for end := time.Now().Add(answerTime); time.Now().Before(end); {
		frames, err := p.Received(20 * time.Millisecond)
		if err != nil {
			return nil, err
		}
		for _, frame := range frames {
			if m := message(frame); m != nil && m.ClientHWAddr.String() == mac.String() && m.MessageType() == kind {
				return m, nil
			}
		}
	}
	return nil, fmt.Errorf("no %s for %s within %s", kind, mac, answerTime)
}

// message is what a server says in a frame without tags, nil if it is another frame.
func message(frame []byte) *dhcpv4.DHCPv4 {
	if len(frame) < 34 || binary.BigEndian.Uint16(frame[12:]) != IPv4 || frame[23] != unix.IPPROTO_UDP {
		return nil
	}
	at := 14 + int(frame[14]&0xf)*4
	if len(frame) < at+8 || binary.BigEndian.Uint16(frame[at:]) != 67 {
		return nil
	}
	m, err := dhcpv4.FromBytes(frame[at+8:])
	if err != nil {
		return nil
	}
	return m
}
