// Command bty puts disk images on the disks of the machine it runs on: as a server tells it, as
// a person or a script asks, or as the init of the live environment.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"bty/internal/build"
	"bty/internal/liveenv"
)

func main() {
	if liveenv.IsInit() { // before any argument is read: the kernel passes words of its own
		liveenv.Main(context.Background(), build.Version, live)
		return
	}
	start(host())
}

// start is the program in a world, from its arguments to its exit status.
func start(e env) {
	ctx, stop := signal.NotifyContext(context.Background(), stopping()...)
	// Who reads what is said may be gone, as a tee that the same Ctrl-C ended: a disk is given back and
	// the server is told all the same.
	signal.Ignore(syscall.SIGPIPE)
	context.AfterFunc(ctx, func() {
		// A terminal that goes away sends two hang-ups, the shell's and the kernel's at the end of
		// the shell: the second one is nobody's impatience.
		signal.Ignore(syscall.SIGHUP)
		// The first Ctrl-C ends the work in good order, the second one ends the program.
		stop()
	})
	err := run(ctx, e)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bty: "+complaint(err))
	}
	os.Exit(int(codeOf(err)))
}

// stopping are the signals that cancel. Under nohup a hang-up stays ignored.
func stopping() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}
