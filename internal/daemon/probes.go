package daemon

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rights are those that no daemon of ours has. Where a system call is tried, it is with an argument
// that the kernel would refuse in any case, and the error tells who refused: a filter says EPERM
// before the kernel looks at the argument.
func rights(s status) []Right {
	return []Right{
		{"capabilities", "CapabilityBoundingSet=, AmbientCapabilities=", s.capable},
		{"being root", "User=, DynamicUser=", func() bool { return os.Geteuid() == 0 }},
		{"new privileges", "NoNewPrivileges=", func() bool { return s.not("NoNewPrivs", "1") }},
		{"any system call", "SystemCallFilter=", func() bool { return s.not("Seccomp", "2") }},
		{"raw packets", "RestrictAddressFamilies=", func() bool { return opensSocket(unix.AF_PACKET) }},
		{"debugging", "SystemCallFilter=", func() bool { return reached(unix.PtraceDetach(os.Getpid())) }},
		{"mounting", "SystemCallFilter=", func() bool { return reached(unix.Mount("", nowhere, "", 0, "")) }},
		{"user namespaces", "RestrictNamespaces=", func() bool { return reached(unix.Unshare(unix.CLONE_NEWUSER | invalidFlag)) }},
		{"set-user-ID files", "RestrictSUIDSGID=", func() bool { return reached(unix.Fchmodat(unix.AT_FDCWD, nowhere, unix.S_ISUID, 0)) }},
		{"real-time priority", "RestrictRealtime=", func() bool { return reached(setFIFO()) }},
		{"writable code", "MemoryDenyWriteExecute=", mapsCode},
		{"writing /etc", "ProtectSystem=", writesEtc},
		{"homes", "ProtectHome=", func() bool { return opens("/home") || opens("/root") }},
		{"devices", "PrivateDevices=", func() bool { return exists("/dev/kmsg") || exists("/dev/net/tun") }},
		{"other processes", "ProtectProc=", func() bool { return os.Getpid() != 1 && exists("/proc/1") }},
	}
}

// Network is a right that only some daemons do without.
var Network = Right{"the network", "PrivateNetwork=, RestrictAddressFamilies=", func() bool {
	return opensSocket(unix.AF_INET) || opensSocket(unix.AF_INET6) || opensSocket(unix.AF_NETLINK)
}}

const (
	nowhere     = "/proc/self/nowhere"
	invalidFlag = 1 // none of clone's flags: unshare refuses it before it does anything
)

// reached reports whether a call got as far as its arguments.
func reached(err error) bool { return !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOSYS) }

func exists(path string) bool { return unix.Access(path, unix.F_OK) == nil }

func opens(dir string) bool {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err == nil
}

func opensSocket(family int) bool {
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err == nil
}

// writesEtc opens a file without a name, which is gone when it is closed. A user who could not
// write there anyway proves nothing, so the mount has to be read-only as well.
func writesEtc() bool {
	fd, err := unix.Open("/etc", unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err == nil {
		unix.Close(fd)
		return true
	}
	var st unix.Statfs_t
	return unix.Statfs("/etc", &st) == nil && st.Flags&unix.ST_RDONLY == 0
}

func mapsCode() bool {
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err == nil {
		err = unix.Munmap(page)
	}
	return err == nil
}

// setFIFO asks for the real-time priority 0, which there is not.
func setFIFO() error {
	const fifo = 1
	var priority int32
	if _, _, errno := unix.Syscall(unix.SYS_SCHED_SETSCHEDULER, 0, fifo, uintptr(unsafe.Pointer(&priority))); errno != 0 {
		return errno
	}
	return nil
}
