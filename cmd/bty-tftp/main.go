// Command bty-tftp serves boot files over TFTP, read-only, on the socket that systemd hands over
// or on one of its own.
package main

import (
	"context"
	"os"

	"bty/internal/daemon"
)

func main() {
	ctx, hangup, stop := daemon.Signals(context.Background())
	code := daemon.Exit("bty-tftp", run(ctx, environment{
		args: os.Args[1:], getenv: os.Getenv, stdout: os.Stdout, stderr: os.Stderr, hangup: hangup,
	}), os.Stderr)
	stop()
	os.Exit(code)
}
