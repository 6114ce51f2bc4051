package hotplug

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// errLost says that events came faster than they were read.
var errLost = errors.New("device events were lost")

// socket receives the kernel's uevents.
type socket struct {
	file *os.File
	buf  []byte
}

func listen() (*socket, error) {
	const kernelGroup = 1
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelGroup}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	// The default holds some hundred events; a controller with many disks makes more at once.
	// Without the capability the default stays, and lost events are noticed.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20)
	return &socket{file: os.NewFile(uintptr(fd), "uevents"), buf: make([]byte, 64<<10)}, nil
}

// read returns the next event of the kernel.
func (s *socket) read() (uevent, error) {
	for {
		n, err := s.file.Read(s.buf)
		if errors.Is(err, unix.ENOBUFS) {
			return uevent{}, errLost
		}
		if err != nil {
			return uevent{}, err
		}
		if e, ok := parseMessage(s.buf[:n]); ok {
			return e, nil
		}
	}
}

func (s *socket) close() error { return s.file.Close() }
