package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// Kind is what a daemon can do with one inherited socket.
type Kind uint8

const (
	Stream   Kind = iota + 1 // a listening stream socket: TCP or unix
	Unix                     // a listening unix stream socket: its file mode is the permission
	Datagram                 // a UDP socket
	Capture                  // a packet socket, from the descriptor store
)

func (k Kind) String() string {
	switch k {
	case Stream:
		return "a listening stream socket (ListenStream=)"
	case Unix:
		return "a listening unix socket (ListenStream=/path)"
	case Datagram:
		return "a UDP socket (ListenDatagram=)"
	case Capture:
		return "a packet socket (FDSTORE=1)"
	}
	return "an unknown socket"
}

// Expect names the sockets that a daemon takes, by FileDescriptorName=.
type Expect map[string]Kind

// Socket is one inherited socket. Exactly one of Listener, Packet and File is set, by its Kind.
type Socket struct {
	Name     string
	Kind     Kind
	Listener net.Listener // *net.TCPListener or *net.UnixListener
	Packet   *net.UDPConn
	File     *os.File // of a Capture
}

// Close gives the socket up. The service manager keeps its own copy.
func (s Socket) Close() error {
	switch {
	case s.Packet != nil:
		return s.Packet.Close()
	case s.File != nil:
		return s.File.Close()
	}
	return s.Listener.Close()
}

// A SocketError says that what was inherited is not what the daemon takes.
type SocketError struct{ Reason string }

func (e *SocketError) Error() string { return "inherited sockets: " + e.Reason }

// ExitCode is 2: the units are wrong, and starting again will not help.
func (e *SocketError) ExitCode() int { return 2 }

// maxSockets bounds LISTEN_FDS; no unit of ours hands over more than a few.
const maxSockets = 32

// Sockets takes the sockets that the service manager passed to this process, all of them or
// none. It returns none when the process was started without any. Names may repeat (a pair for
// IPv4 and IPv6). It must be called once, before anything else opens a file: it consumes the
// LISTEN_* variables.
func Sockets(expect Expect) ([]Socket, error) {
	if err := checkEnv(); err != nil {
		return nil, err
	}
	var sockets []Socket
	var failed error
	for _, f := range activation.Files(true) {
		if failed == nil {
			var s Socket
			if s, failed = adopt(f, expect); failed == nil {
				sockets = append(sockets, s)
			}
		}
		f.Close() // net.FileListener and net.FilePacketConn work on a duplicate
	}
	if failed != nil {
		for _, s := range sockets {
			s.Close()
		}
		return nil, failed
	}
	return sockets, nil
}

// Named returns those of sockets with the given name.
func Named(sockets []Socket, name string) []Socket {
	return slices.DeleteFunc(slices.Clone(sockets), func(s Socket) bool { return s.Name != name })
}

// Listeners returns the listeners of those of sockets with the given name.
func Listeners(sockets []Socket, name string) []net.Listener {
	var ls []net.Listener
	for _, s := range sockets {
		if s.Name == name && s.Listener != nil {
			ls = append(ls, s.Listener)
		}
	}
	return ls
}

// checkEnv refuses what sd_listen_fds(3) ignores in silence: a daemon that was meant to get a
// socket and did not would open its own and hide the mistake.
func checkEnv() error {
	fds, pid := os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_PID")
	if fds == "" && pid == "" {
		return nil
	}
	n, err := strconv.Atoi(fds)
	if err != nil || n < 0 || n > maxSockets {
		return &SocketError{fmt.Sprintf("LISTEN_FDS=%q is not a number from 0 to %d", fds, maxSockets)}
	}
	if p, err := strconv.Atoi(pid); n > 0 && (err != nil || p != os.Getpid()) {
		return &SocketError{fmt.Sprintf("LISTEN_PID=%q, but this process is %d: the sockets were meant for another process; "+
			"a wrapper must exec the daemon, not fork it", pid, os.Getpid())}
	}
	return nil
}

func adopt(f *os.File, expect Expect) (Socket, error) {
	kind, ok := expect[f.Name()]
	if !ok {
		return Socket{}, &SocketError{fmt.Sprintf("file descriptor name %q is not known; this daemon takes %s (set FileDescriptorName= in the .socket unit)",
			f.Name(), expect)}
	}
	got, err := kindOf(f)
	if err != nil {
		return Socket{}, &SocketError{fmt.Sprintf("%q must be %s, but it is %v", f.Name(), kind, err)}
	}
	if got != kind && !(kind == Stream && got == Unix) {
		return Socket{}, &SocketError{fmt.Sprintf("%q must be %s, but it is %s", f.Name(), kind, got)}
	}
	s := Socket{Name: f.Name(), Kind: got}
	switch got {
	case Datagram:
		var pc net.PacketConn
		if pc, err = net.FilePacketConn(f); err == nil {
			s.Packet = pc.(*net.UDPConn) // kindOf saw an inet datagram socket
		}
	case Capture:
		s.File, err = duplicate(f)
	default:
		s.Listener, err = net.FileListener(f)
	}
	if err != nil {
		return Socket{}, &SocketError{fmt.Sprintf("taking %q: %v", f.Name(), err)}
	}
	return s, nil
}

// duplicate opens f once more, as the net package does with the other kinds.
func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// kindOf asks the kernel what f is.
func kindOf(f *os.File) (Kind, error) {
	fd := int(f.Fd())
	typ, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return 0, fmt.Errorf("no socket at all (%w)", err)
	}
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return 0, fmt.Errorf("a socket of unknown family (%w)", err)
	}
	if domain == unix.AF_PACKET {
		return Capture, nil
	}
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return 0, fmt.Errorf("a socket of unknown state (%w)", err)
	}
	inet := domain == unix.AF_INET || domain == unix.AF_INET6
	switch {
	case typ == unix.SOCK_DGRAM && inet:
		return Datagram, nil
	case typ == unix.SOCK_STREAM && listening == 0:
		return 0, fmt.Errorf("a stream socket that does not listen (Accept=yes units do not fit)")
	case typ == unix.SOCK_STREAM && inet:
		return Stream, nil
	case typ == unix.SOCK_STREAM && domain == unix.AF_UNIX:
		return Unix, nil
	}
	return 0, fmt.Errorf("a socket of family %d and type %d", domain, typ)
}

func (e Expect) String() string {
	var parts []string
	for name, kind := range e {
		parts = append(parts, fmt.Sprintf("%q: %s", name, kind))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
