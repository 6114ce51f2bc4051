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
