package tftp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// dropBroadcasts makes the kernel drop what came in a broadcast or multicast frame. RFC 1123
// section 4.2.3.3: such requests should be ignored in silence; a rack of servers that all answer
// one packet is an amplifier.
func dropBroadcasts(conn *net.UDPConn) error {
	const broadcast, multicast = 1, 2 // PACKET_BROADCAST, PACKET_MULTICAST
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: broadcast, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: multicast, SkipTrue: 1},
		bpf.RetConstant{Val: 1 << 16},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return fmt.Errorf("assembling the broadcast filter: %w", err)
	}
	filter := kernelFilter(program)
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var attach error
	err = raw.Control(func(fd uintptr) {
		attach = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	})
	return errors.Join(err, attach)
}

// isBroadcast reports whether local, the address that a request came to, is a broadcast address.
// The filter does not see those that were queued before it was attached, nor loopback's. The
// kernel knows best, without netlink: a socket may not be connected to one.
func isBroadcast(local netip.Addr) bool {
	if !local.Is4() {
		return false
	}
	if local == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || local.IsUnspecified() {
		return true // pin writes 0.0.0.0 for the former
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false // a sandbox without AF_INET: replies from such an address fail by themselves
	}
	defer unix.Close(fd)
	return errors.Is(unix.Connect(fd, &unix.SockaddrInet4{Port: 9, Addr: local.As4()}), unix.EACCES)
}
