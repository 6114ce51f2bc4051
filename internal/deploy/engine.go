package deploy

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"bty/internal/systemd/manager"
)

// Engine is what steps act through.
type Engine struct {
	Root     string                      // what is in front of every path, "" for this host
	Manager  manager.Manager             // of the units
	Password string                      // the new one; "" has it made up
	Show     func(password string) error // to who is to know it, before the record says that it is known
	Remark   func(string)                // what turned out while a step was done

	since   time.Time // that the record says
	held    *os.File  // the deployment's folder, locked
	made    string    // the password that was made up
	folders []string  // that this deployment has made
	dir     string    // of the deployment
}

func (e *Engine) path(p string) string { return filepath.Join("/", e.Root, p) }

// longTime is for what moves images.
const longTime = time.Hour

// bounds of what other programs may take, and of what is shown of what they say.
const (
	toolTime = 2 * time.Minute
	toolTail = 2000
)

// tool runs another program with input and returns what it prints; an error has what it complains of.
func tool(ctx context.Context, input, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, toolTime, fmt.Errorf("it has not ended within %v", toolTime))
	defer cancel()
	return longTool(ctx, input, name, args...)
}

// longTool is for what may take as long as ctx lets it.
func longTool(ctx context.Context, input, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	cmd.Env = Environ("LC_ALL=C.UTF-8", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=")
	cmd.WaitDelay = 2 * time.Second
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s: %w", name, context.Cause(ctx))
	}
	if err != nil {
		text := strings.TrimSpace(said.String())
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args[:min(len(args), 2)], " "), err, text[max(0, len(text)-toolTail):])
	}
	return out.String(), nil
}
