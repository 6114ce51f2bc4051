package sniff

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// giveUpCapabilities takes every capability from every thread of the process, for good as far as the
// kernel lets it: what may be had again by starting another program is taken as well if that is allowed.
func giveUpCapabilities() error {
	const ambientClearAll = unix.PR_CAP_AMBIENT_CLEAR_ALL
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, ambientClearAll, 0, 0, 0, 0); errno != 0 {
		return given("the ambient ones", errno)
	}
	for capability := uintptr(0); ; capability++ { // those that can be had at all; EINVAL is behind the last
		if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, capability, 0); errno != 0 {
			break // or it takes CAP_SETPCAP, which a container need not have
		}
	}
	// Version 3 has two words each of effective, permitted and inheritable ones: none of any.
	header, none := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, [2]unix.CapUserData{}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)), 0)
	if errno != 0 {
		return given("those in force", errno)
	}
	return nil
}

func given(which string, errno syscall.Errno) error {
	if errors.Is(errno, syscall.ENOTSUP) {
		return errors.New("give up capabilities: this program was built with cgo, where that cannot be done for all threads; build it with CGO_ENABLED=0")
	}
	return fmt.Errorf("give up capabilities: %s: %w", which, errno)
}
