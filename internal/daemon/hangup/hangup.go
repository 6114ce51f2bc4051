// Package hangup keeps a SIGHUP from killing a daemon that has only just begun. It imports next to
// nothing and is therefore among the first packages to be initialised, milliseconds before main
// begins. What is left is the time that Go's own runtime takes to start.
package hangup

import (
	"os"
	"os/signal"
	"syscall"
)

// What comes before daemon.Signals listens needs no reload: no configuration has been read.
func init() { signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) }
