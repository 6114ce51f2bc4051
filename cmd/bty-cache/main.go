// Command bty-cache gives machines the images of the catalog, fetched once from where they are
// published. systemd hands its sockets over, or it opens its own.
package main

import (
	"context"
	"os"

	"bty/internal/daemon"
)

func main() {
	ctx, hangup, stop := daemon.Signals(context.Background())
	code := daemon.Exit("bty-cache", run(ctx, environment{
		args: os.Args[1:], getenv: os.Getenv, stdout: os.Stdout, stderr: os.Stderr, hangup: hangup,
	}), os.Stderr)
	stop()
	os.Exit(code)
}
