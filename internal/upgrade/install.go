package upgrade

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// notNow is a package manager that is at work when it should not be. That says nothing about a release, and the
// way back would need the package manager as well: the upgrade stays as it is, for the next run.
type notNow struct{ What string }

func (e *notNow) Error() string { return e.What }

// toItsEnd runs a package manager. Ended in the middle it would leave half a package, so nothing here ends it:
// it is in a group of its own, that no key of a terminal reaches, and writes to a file. A run that is told
// to end waits for it; one that has waited for too long leaves it to its work.
func toItsEnd(ctx context.Context, limit time.Duration, log, name string, args ...string) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(name, args...)
	cmd.Env = command(ctx, name).Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	call := callOf(name, args)
	select {
	case err = <-ended:
	case <-time.After(limit):
		return &notNow{fmt.Sprintf("%s has not ended after %v. Killed in the middle it would leave half a package, so it was left to its work, as process %d; what it says is in %s, and was last: %s. See what it waits for (ps -ef --forest, journalctl), and let it end",
			call, limit, cmd.Process.Pid, log, endOf(log))}
	}
	switch {
	case ctx.Err() != nil: // how it ended is seen when the upgrade is taken up
		return context.Cause(ctx)
	case err != nil:
		return &toolError{call, err, endOf(log)}
	}
	return nil
}

// endOf is the end of a file, or why it cannot be read.
func endOf(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return tail(string(raw))
}
