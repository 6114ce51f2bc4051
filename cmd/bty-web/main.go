// Command bty-web is the appliance's server: it answers machines and the operator, and it is the
// only process that opens the database.
package main

import (
	"context"
	"os"
	_ "time/tzdata" // time zones of the pages, on hosts that have none

	"bty/internal/daemon"
)

func main() {
	ctx, hangup, stop := daemon.Signals(context.Background())
	code := daemon.Exit("bty-web", run(ctx, environment{
		args: os.Args[1:], getenv: os.Getenv, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, hangup: hangup,
	}), os.Stderr)
	stop()
	os.Exit(code)
}
