// Command bty-sniff-open opens the packet socket of bty-sniff with the rights that bty-sniff does
// not have, and gives it to the service manager to keep. The unit runs it before each start.
package main

import (
	"fmt"
	"os"
	"runtime"

	"bty/internal/daemon"
	"bty/internal/message"
	"bty/internal/sniff"
	"bty/internal/systemd"

	"golang.org/x/sys/unix"
)

// hostNetwork is the network of the host: the unit's own has no link.
const hostNetwork = "/proc/1/ns/net"

func main() {
	os.Exit(daemon.Exit("bty-sniff-open", message.Mark(message.CannotWatch, run(os.Args[1:])), os.Stderr))
}

func run(args []string) error {
	network := hostNetwork
	switch len(args) {
	case 0:
	case 1:
		network = args[0]
	default:
		return fmt.Errorf("usage: bty-sniff-open [NETWORK]   (a network namespace; %s without)", hostNetwork)
	}
	f, err := openIn(network)
	if err != nil {
		return err
	}
	defer f.Close()
	return systemd.StoreFile("dhcp", f)
}

// openIn opens the socket in a network namespace. The thread stays there: the process ends soon.
func openIn(network string) (*os.File, error) {
	runtime.LockOSThread()
	there, err := os.Open(network)
	if err != nil {
		return nil, fmt.Errorf("open the host's network: %w; bty-sniff-open must run as root", err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("enter the host's network: %w; bty-sniff-open must run as root", err)
	}
	return sniff.Open()
}
