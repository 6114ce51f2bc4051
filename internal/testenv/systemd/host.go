package systemd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Command is a command to be run in the container as root, outside of any unit.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	enter := []string{"--target", strconv.Itoa(h.leader), "--all", "--", name}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LC_ALL=C", "HOME=/root",
		"SYSTEMD_PAGER=", "SYSTEMD_COLORS=0", "SYSTEMD_EMOJI=0"}
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// Try runs a command in the container and returns what it printed, with an error that has its
// complaints.
func (h *Host) Try(ctx context.Context, name string, args ...string) (string, error) {
	cmd := h.Command(ctx, name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), err
}

// Property is one property of a unit.
func (h *Host) Property(ctx context.Context, unit, name string) (string, error) {
	out, err := h.Try(ctx, "systemctl", "show", "--property="+name, "--value", unit)
	return strings.TrimSpace(out), err
}

// Await waits until a property of a unit has the value.
func (h *Host) Await(ctx context.Context, unit, name, want string) error {
	for {
		got, err := h.Property(ctx, unit, name)
		if err == nil && got == want {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s of %s is %q, not %q: %w", name, unit, got, want, ctx.Err()), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Journal is the end of what our units and systemd said about them.
func (h *Host) Journal(ctx context.Context, lines int) string {
	out, err := h.Try(ctx, "journalctl", "--no-pager", "--quiet", "--output=short-precise", "--lines="+strconv.Itoa(lines),
		"--unit=bty*", "--unit=init.scope")
	if err != nil {
		out += err.Error()
	}
	return "--- journal of Debian " + h.Suite + "\n" + out
}
