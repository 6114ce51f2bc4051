// Command bty-lab is the operator's tool: it builds, deploys and looks after the appliance.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"bty/internal/daemon"
	"bty/internal/message"
)

// env is what a command gets from the outside.
type env struct {
	args   []string
	stdout io.Writer
	stderr io.Writer
	getenv func(string) string
	socket string // of the server, if it is not where a configuration would have it
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, env{args: os.Args[1:], stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv})
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.As(err, new(usageError)):
		fmt.Fprintln(os.Stderr, "bty-lab:", err)
		os.Exit(2)
	default: // a unit may have run it
		os.Exit(daemon.Exit("bty-lab", message.Mark(message.CommandFailed, err), os.Stderr))
	}
}
