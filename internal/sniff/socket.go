package sniff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
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
func Open() (*os.File, error) { return open(func() error { return nil }) }

// OpenAlone is Open for a process that holds the right itself: the process has no capability any more when
// the socket begins to receive. It takes one to open it, none to bind it.
func OpenAlone() (*os.File, error) { return open(giveUpCapabilities) }

// open opens the socket, and calls before just before it begins to receive.
func open(before func() error) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w; it takes CAP_NET_RAW: let systemd run bty-sniff-open before (bty-sniff.service does), or give it to a container (--network=host --cap-add=NET_RAW)", err)
	}
	f := os.NewFile(uintptr(fd), "dhcp")
	err = prepare(fd)
	if err == nil {
		err = before()
	}
	if err == nil {
		err = receive(fd)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// prepare does everything to the socket but let it receive.
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
	return nil
}

func receive(fd int) error {
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

// Socket reads captured packets. It stays out of Go's poller, which would be woken by each packet
// while the loop rests to let them gather.
type Socket struct {
	fd    int
	bell  int // an eventfd that ends a wait
	slots *slots
}

// Adopt takes over a socket that Open made, here or in another process, and refuses any other.
func Adopt(f *os.File) (*Socket, error) {
	defer f.Close()
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &Socket{fd: -1, bell: -1, slots: newSlots()}
	if controlErr := conn.Control(func(fd uintptr) { err = s.take(int(fd)) }); controlErr != nil || err != nil {
		return nil, errors.Join(fmt.Errorf("the packet socket was not opened by bty-sniff-open: %w", errors.Join(controlErr, err)), s.Close())
	}
	return s, nil
}

func (s *Socket) take(fd int) error {
	locked, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_LOCK_FILTER)
	if err == nil && locked == 0 {
		err = errors.New("its filter is not locked")
	}
	if err != nil {
		return err
	}
	if s.fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		return err
	}
	s.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return err
}

// Close gives the socket up. Nobody may be reading.
func (s *Socket) Close() (err error) {
	for _, fd := range []*int{&s.fd, &s.bell} {
		if *fd >= 0 {
			err = errors.Join(err, unix.Close(*fd))
		}
		*fd = -1
	}
	return err
}

// MaySend reports whether the kernel would let this process send. It tries with a link that cannot
// exist, so that nothing is sent where it may.
func (s *Socket) MaySend() bool {
	err := unix.Sendto(s.fd, []byte{0}, unix.MSG_DONTWAIT, &unix.SockaddrLinklayer{Ifindex: math.MaxInt32})
	return !errors.Is(err, unix.EPERM)
}

// ring ends a wait, this one or the next.
func (s *Socket) ring() error {
	one := binary.NativeEndian.AppendUint64(nil, 1)
	_, err := unix.Write(s.bell, one)
	return err
}

// captured is one packet, valid until the next is read.
type captured struct {
	frame    []byte
	link     int // index
	linkType uint16
	vlan     uint16 // that the network card took off
	outgoing bool
}

// read waits for packets or the bell, hands those that are there to f, at most most, and says how many
// they were and whether it rang.
func (s *Socket) read(most int, f func(captured, time.Time)) (n int, rang bool, err error) {
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: int32(s.bell), Events: unix.POLLIN}}
	if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
		return 0, false, fmt.Errorf("wait for packets: %w", err)
	}
	if fds[1].Revents != 0 {
		_, err := unix.Read(s.bell, make([]byte, 8))
		rang = err == nil
	}
	for n < most {
		got, err := s.next(most-n, f)
		if n += got; got == 0 || err != nil {
			return n, rang, err
		}
	}
	return n, rang, nil
}

// next reads as many packets as one call gives. They are of one moment: that of each is not known, since
// they may have waited.
func (s *Socket) next(most int, f func(captured, time.Time)) (int, error) {
	n, err := s.slots.receive(s.fd, most)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), errors.Is(err, unix.ENETDOWN): // the other links are still heard
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("read the packet socket: %w", err)
	}
	now := time.Now()
	for i := range n {
		from := s.slots.name(i)
		f(captured{frame: s.slots.frame(i), link: int(from.Ifindex), linkType: from.Hatype, outgoing: from.Pkttype == unix.PACKET_OUTGOING,
			vlan: vlanOf(s.slots.oob(i))}, now)
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
	var r ifreq
	binary.NativeEndian.PutUint32(r[unix.IFNAMSIZ:], uint32(index))
	if err := r.ioctl(s.fd, unix.SIOCGIFNAME); err != nil {
		return "", nil, err
	}
	name = unix.ByteSliceToString(r[:unix.IFNAMSIZ])
	if err := r.ioctl(s.fd, unix.SIOCGIFHWADDR); err != nil {
		return name, nil, err
	}
	return name, net.HardwareAddr(r[unix.IFNAMSIZ+2 : unix.IFNAMSIZ+2+6]), nil // behind sa_family
}

// drops is how many packets the kernel threw away since it was asked last, because nobody read
// them in time.
func (s *Socket) drops() (uint32, error) {
	stats, err := unix.GetsockoptTpacketStats(s.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0, err
	}
	return stats.Drops, nil
}
