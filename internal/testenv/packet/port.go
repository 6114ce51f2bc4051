package packet

import (
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Port is one end of a cable, for frames as they are.
type Port struct {
	fd    int
	index int
}

// Open opens a link of the calling thread's network namespace, by name.
func Open(link string) (*Port, error) {
	i, err := net.InterfaceByName(link)
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
		if err == unix.EAGAIN {
			return frames, nil
		} else if err != nil {
			return frames, err
		}
		if link, ok := from.(*unix.SockaddrLinklayer); ok && link.Pkttype != unix.PACKET_OUTGOING {
			frames = append(frames, b[:n])
		}
	}
}
