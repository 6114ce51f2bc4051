package upgrade

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// saidMost is how much of another program's complaints is shown.
const saidMost = 2000

// toolError is another program that failed.
type toolError struct {
	Call string
	Err  error
	Said string
}

func (e *toolError) Error() string { return fmt.Sprintf("%s: %v: %s", e.Call, e.Err, e.Said) }
func (e *toolError) Unwrap() error { return e.Err }

// tool runs another program and returns what it prints.
func tool(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=")
	cmd.WaitDelay = 5 * time.Second
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if err == nil {
		return out.String(), nil
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s: %w", name, context.Cause(ctx))
	}
	text := strings.TrimSpace(said.String() + out.String())
	return out.String(), &toolError{name + " " + strings.Join(args, " "), err, text[max(0, len(text)-saidMost):]}
}
