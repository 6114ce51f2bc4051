package liveenv

import (
	"context"
	"io"
	"log/slog"
	"net/netip"

	"bty/internal/machine"
)

// Boot is what the live environment hands to the work that it was started for.
type Boot struct {
	Server string      // bty.server=, without a slash at its end; "" when the command line names none
	MAC    machine.MAC // bty.mac=, else the address of the NIC in use

	// The NIC in use and what DHCP or the command line gave it: empty without a server, where the
	// network may come later.
	Interface string
	Address   netip.Prefix

	// Console reaches every console of the kernel and never blocks for long: a console that
	// hangs loses lines. One writer to the consoles: Log writes there as well, in whole lines.
	Console   io.Writer
	Terminals []Terminal // the same consoles, each for a person to sit at
	Log       *slog.Logger

	// Settle returns when the storage drivers are loaded and their disks are there, or after a
	// bound. Disks that come later still appear: ask again. It may be called many times.
	Settle func(ctx context.Context)
}

// Next is what becomes of the machine when the work is over.
type Next uint8

// The ways out. Reboot is the zero value, so that a forgotten result leaves no dead machine.
const (
	Reboot Next = iota
	PowerOff
)

// Run is the work. An error is shown on every console, with what to do, for a bounded time;
// then the machine reboots, whatever Next says.
type Run func(ctx context.Context, b Boot) (Next, error)

// IsInit says whether the kernel started this process: as init of a live environment, or as
// the helper that loads a module for it. It must be asked before any argument is read, for
// the kernel passes words of its command line as arguments. If it is true, call Main.
func IsInit() bool { return isInit() }

// Main sets up the machine, calls run, and reboots or powers off. It never returns when this
// process is init.
func Main(ctx context.Context, version string, run Run) {
	start(ctx, version, run)
}
