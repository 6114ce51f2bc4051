package sniff

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ifreq is struct ifreq of linux/if.h: a name and a union. The wrapper of x/sys asks by name only.
type ifreq [40]byte

func (r *ifreq) ioctl(fd int, request uint) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(r)))
	if errno != 0 {
		return errno
	}
	return nil
}

const (
	// together is how many packets one call reads: under load, calls are what costs most.
	together = 64
	// frameSize holds any DHCP message on Ethernet; of a larger frame the end is cut off.
	frameSize = 4096
	oobSize   = 64 // for auxiliary data and its header
)

// mmsghdr is struct mmsghdr of recvmmsg(2), which x/sys has no wrapper for.
type mmsghdr struct {
	unix.Msghdr
	length uint32
	_      [4 * (unsafe.Sizeof(uintptr(0)) / 8)]byte // to a multiple of the pointer's size
}

// slots are the memory that packets are read into.
type slots struct {
	headers [together]mmsghdr
	iovs    [together]unix.Iovec
	names   [together]unix.RawSockaddrLinklayer
	oobs    [together][oobSize]byte
	frames  [together][frameSize]byte
}

func newSlots() *slots {
	s := new(slots)
	for i := range s.headers {
		s.iovs[i].Base = &s.frames[i][0]
		s.iovs[i].SetLen(frameSize)
		h := &s.headers[i].Msghdr
		h.Iov, h.Name, h.Control = &s.iovs[i], (*byte)(unsafe.Pointer(&s.names[i])), &s.oobs[i][0]
		h.SetIovlen(1)
	}
	return s
}

// receive reads what is there, without waiting, up to n packets.
func (s *slots) receive(fd, n int) (int, error) {
	n = min(n, together)
	for i := range n { // the kernel writes over the lengths
		h := &s.headers[i].Msghdr
		h.Namelen = unix.SizeofSockaddrLinklayer
		h.SetControllen(oobSize)
	}
	// Raw: it never waits, and Go need not prepare for that.
	got, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&s.headers[0])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(got), nil
}

// frame, name and oob are what came in one slot.
func (s *slots) frame(i int) []byte                   { return s.frames[i][:min(s.headers[i].length, frameSize)] }
func (s *slots) name(i int) unix.RawSockaddrLinklayer { return s.names[i] }
func (s *slots) oob(i int) []byte                     { return s.oobs[i][:min(s.headers[i].Controllen, oobSize)] }
