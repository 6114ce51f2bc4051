package tftp

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// RefuseNetlink has the kernel refuse netlink sockets to this process from now on, as its unit does.
// pin asks by netlink for the MTU of the interface that a packet came in on, and drops the answer,
// since we cap the block size ourselves: in multi-port mode once per request, in single-port mode once
// per packet, where it is four fifths of all the work. Outside of a sandbox, as in a container, this
// is what makes that mode fast enough.
func RefuseNetlink() error {
	arch, known := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	if !known {
		return errors.New("not on this architecture")
	}
	const ( // struct seccomp_data, little-endian
		number   = 0
		audit    = 4
		argument = 16
	)
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: audit, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: arch, SkipTrue: 5},
		bpf.LoadAbsolute{Off: number, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_SOCKET, SkipTrue: 3},
		bpf.LoadAbsolute{Off: argument, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.AF_NETLINK, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT)},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
	})
	if err != nil {
		return fmt.Errorf("assembling the filter: %w", err)
	}
	runtime.LockOSThread() // the first call is this thread's; the second takes all others along
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	return setFilter(program, unix.SECCOMP_FILTER_FLAG_TSYNC)
}

func setFilter(program []bpf.RawInstruction, flags uintptr) error {
	filter := kernelFilter(program)
	fprog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
	switch {
	case errno != 0:
		return fmt.Errorf("setting the filter: %w", errno)
	case thread != 0: // seccomp(2): no error number, and no filter either
		return fmt.Errorf("setting the filter: thread %d has one of its own", thread)
	}
	return nil
}

// kernelFilter is a program in the form that the kernel takes.
func kernelFilter(program []bpf.RawInstruction) []unix.SockFilter {
	filter := make([]unix.SockFilter, len(program))
	for i, in := range program {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return filter
}
