package sniff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// receiveBuffer holds what comes while the process is busy or restarts: seconds of a rack that is
// switched on at once.
const receiveBuffer = 16 << 20

// Open opens the socket in the network namespace of the calling thread. It is not bound to a link,
// so that new ones are seen too, and it does not receive before its filter is in place and locked:
// until it is bound, its protocol is none.
func Open() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w; it takes CAP_NET_RAW: let systemd run bty-sniff-open before (bty-sniff.service does)", err)
	}
	f := os.NewFile(uintptr(fd), "dhcp")
	if err := prepare(fd); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func prepare(fd int) error {
	if err := setFilter(fd); err != nil {
		return err
	}
	for _, o := range []struct {
		what          string
		level, option int
	}{
		{"lock the filter", unix.SOL_SOCKET, unix.SO_LOCK_FILTER},
		{"ask for VLAN tags", unix.SOL_PACKET, unix.PACKET_AUXDATA},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.option, 1); err != nil {
			return fmt.Errorf("packet socket: %s: %w", o.what, err)
		}
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer) // as much as is allowed
	}
	// All protocols, not IPv4 alone: only so does it see what this host sends, a DHCP server here, too.
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL)}); err != nil {
		return fmt.Errorf("packet socket: begin to receive: %w", err)
	}
	return nil
}

func setFilter(fd int) error {
	code, err := filter()
	if err != nil {
		return err
	}
	raw, err := bpf.Assemble(code)
	if err != nil {
		return fmt.Errorf("assemble the filter: %w", err)
	}
	program := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		program[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	if err != nil {
		return fmt.Errorf("packet socket: attach the filter: %w", err)
	}
	return nil
}

// bigEndian is a number in the order of the wire, however this machine has it.
func bigEndian(n uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], n)
	return binary.NativeEndian.Uint16(b[:])
}

// Socket reads captured packets.
type Socket struct {
	file  *os.File
	conn  syscall.RawConn
	slots *slots
}

// Adopt takes a socket that Open made, here or in another process, and refuses any other.
func Adopt(f *os.File) (*Socket, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &Socket{file: f, conn: conn, slots: newSlots()}
	err = s.control(func(fd int) error {
		locked, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_LOCK_FILTER)
		if err == nil && locked == 0 {
			err = errors.New("its filter is not locked")
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the packet socket was not opened by bty-sniff-open: %w", err)
	}
	// A deadline proves that reads can be woken, which the watchdog's check relies on.
	if err := f.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("the packet socket blocks: %w", err)
	}
	return s, nil
}

// Close gives the socket up.
func (s *Socket) Close() error { return s.file.Close() }

// MaySend reports whether the kernel would let this process send. It tries with a link that cannot
// exist, so that nothing is sent where it may.
func (s *Socket) MaySend() bool {
	return s.control(func(fd int) error {
		err := unix.Sendto(fd, []byte{0}, unix.MSG_DONTWAIT, &unix.SockaddrLinklayer{Ifindex: math.MaxInt32})
		if !errors.Is(err, unix.EPERM) {
			return nil
		}
		return err
	}) == nil
}

func (s *Socket) control(f func(fd int) error) error {
	var failed error
	if err := s.conn.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// captured is one packet, valid until the next is read.
type captured struct {
	frame    []byte
	link     int // index
	linkType uint16
	vlan     uint16 // that the network card took off
	outgoing bool
}

// read waits for packets, hands those that are there to f, at most most, and says how many. A
// deadline of the file ends the wait.
func (s *Socket) read(most int, f func(captured)) (n int, err error) {
	waitErr := s.conn.Read(func(fd uintptr) bool {
		for n < most && err == nil {
			var got int
			if got, err = s.next(int(fd), most-n, f); got == 0 {
				break
			}
			n += got
		}
		return n > 0 || err != nil
	})
	return n, errors.Join(waitErr, err)
}

// next reads as many packets as one call gives.
func (s *Socket) next(fd, most int, f func(captured)) (int, error) {
	n, err := s.slots.receive(fd, most)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), errors.Is(err, unix.ENETDOWN): // the other links are still heard
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("read the packet socket: %w", err)
	}
	for i := range n {
		from := s.slots.name(i)
		f(captured{frame: s.slots.frame(i), link: int(from.Ifindex), linkType: from.Hatype, outgoing: from.Pkttype == unix.PACKET_OUTGOING,
			vlan: vlanOf(s.slots.oob(i))})
	}
	return n, nil
}

// struct tpacket_auxdata, linux/if_packet.h: status, len, snaplen, then 16 bits each of mac, net,
// vlan_tci, vlan_tpid.
const (
	auxdataSize   = 20
	auxdataStatus = 0
	auxdataTCI    = 16
	vlanValid     = 1 << 4 // TP_STATUS_VLAN_VALID
)

// vlanOf is the tag that the network card took off. What the kernel says here, it says in the first
// message: nothing else was asked for.
func vlanOf(oob []byte) uint16 {
	header, data, _, err := unix.ParseOneSocketControlMessage(oob)
	if err != nil || header.Level != unix.SOL_PACKET || header.Type != unix.PACKET_AUXDATA || len(data) < auxdataSize {
		return 0
	}
	if binary.NativeEndian.Uint32(data[auxdataStatus:])&vlanValid == 0 {
		return 0
	}
	return binary.NativeEndian.Uint16(data[auxdataTCI:]) & vlanID
}

// link is what the socket's own network namespace calls a link, which need not be ours.
func (s *Socket) link(index int) (name string, mac net.HardwareAddr, err error) {
	err = s.control(func(fd int) error {
		var byIndex ifreq
		binary.NativeEndian.PutUint32(byIndex[unix.IFNAMSIZ:], uint32(index))
		if err := byIndex.ioctl(fd, unix.SIOCGIFNAME); err != nil {
			return err
		}
		name = unix.ByteSliceToString(byIndex[:unix.IFNAMSIZ])
		if err := byIndex.ioctl(fd, unix.SIOCGIFHWADDR); err != nil {
			return err
		}
		mac = net.HardwareAddr(byIndex[unix.IFNAMSIZ+2 : unix.IFNAMSIZ+2+6]) // behind sa_family
		return nil
	})
	return name, mac, err
}

// drops is how many packets the kernel threw away since it was asked last, because nobody read
// them in time.
func (s *Socket) drops() (n uint32, err error) {
	err = s.control(func(fd int) error {
		stats, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err == nil {
			n = stats.Drops
		}
		return err
	})
	return n, err
}
