package upgrade

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"bty/internal/deploy"
)

// saidMost is how much of the end of what another program said is shown.
const saidMost = 2000

// How long other programs get. A limit is there so that none of them holds an upgrade for ever, not to make
// them hurry: a disk may be slow, and a registry far away.
const (
	asking  = 2 * time.Minute  // for what is only looked up, or named
	reading = 10 * time.Minute // for a package that is read or packed from end to end
	moving  = 30 * time.Minute // for images, and for packages that are installed
)

// limitOf is how long a program gets.
func limitOf(name string, args []string) time.Duration {
	switch name := filepath.Base(name); {
	case name == "podman" && len(args) > 0 && slices.Contains([]string{"load", "pull"}, args[0]):
		return moving
	case strings.HasSuffix(name, "-compose"): // it may pull
		return moving
	case name == "dpkg-deb", name == "dpkg", name == "rpm": // they look at all files of a package
		return reading
	}
	return asking
}

// toolError is another program that failed.
type toolError struct {
	Call string
	Err  error
	Said string
}

func (e *toolError) Error() string { return fmt.Sprintf("%s: %v: %s", e.Call, e.Err, e.Said) }
func (e *toolError) Unwrap() error { return e.Err }

// lateError is another program that had not ended when it had to. It says nothing of what that was asked.
type lateError struct {
	Call  string
	Limit time.Duration
	Said  string
}

func (e *lateError) Error() string {
	return fmt.Sprintf("%s: it had not ended after %v, and was killed with all that it had started; it said last: %s", e.Call, e.Limit, e.Said)
}

// tool runs another program and returns what it prints.
func tool(ctx context.Context, name string, args ...string) (string, error) {
	return toolWithin(ctx, limitOf(name, args), name, args...)
}

func toolWithin(ctx context.Context, limit time.Duration, name string, args ...string) (string, error) {
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := command(within, name, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	text := tail(said.String() + out.String())
	switch call := callOf(name, args); {
	case err == nil:
		return out.String(), nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s: %w", name, context.Cause(ctx))
	case within.Err() != nil:
		return "", &lateError{call, limit, text}
	default:
		return out.String(), &toolError{call, err, text}
	}
}

// command is a program that is killed, with all that it has started, when its context ends.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = deploy.Environ("LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

func callOf(name string, args []string) string {
	return strings.Join(append([]string{name}, args...), " ")
}

func tail(said string) string {
	said = strings.TrimSpace(said)
	return said[max(0, len(said)-saidMost):]
}
