// Command bty-sniff watches DHCP on the LAN and reports to bty-web what it sees. It sends nothing,
// and has no right to: its socket comes from bty-sniff-open, by way of the service manager. In a container
// it opens the socket itself and gives its rights up before the first packet.
package main

import (
	"context"
	"os"
	"runtime"

	"bty/internal/daemon"
)

func main() {
	runtime.GOMAXPROCS(1) // it needs a fraction of one; to wake a second for each handful of packets costs more than they do
	ctx, hangup, stop := daemon.Signals(context.Background())
	code := daemon.Exit("bty-sniff", run(ctx, environment{
		args: os.Args[1:], getenv: os.Getenv, stdout: os.Stdout, stderr: os.Stderr, hangup: hangup,
	}), os.Stderr)
	stop()
	os.Exit(code)
}
