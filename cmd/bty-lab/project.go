package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"bty/internal/config"
	"bty/internal/deploy"
)

// findProject finds the server of a compose project, whose control socket is in a volume, where there is none
// in the folder that it is otherwise in. An ordinary user's may be opened by root of that user's containers alone:
// then this process becomes that.
func (e *env) findProject(ctx context.Context, command []string) error {
	if e.socket != "" || e.namesSocket() || deploy.OwnRun() != "" || exists(filepath.Join(config.DefaultRunDir, "control.sock")) {
		return nil
	}
	if e.socket = deploy.ComposedSocket(ctx, false); e.socket == "" || os.Geteuid() == 0 {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	podman, err := exec.LookPath("podman")
	if err != nil {
		return err
	}
	args := slices.Concat([]string{podman, "unshare", self}, command, []string{"--socket=" + e.socket}, e.args)
	if err := syscall.Exec(podman, args, deploy.Environ()); err != nil {
		return fmt.Errorf("%s unshare: %w", podman, err)
	}
	return nil
}

// namesSocket reports whether somebody has said where the server is.
func (e *env) namesSocket() bool {
	return e.getenv("BTY_PATHS_RUN_DIR") != "" || slices.ContainsFunc(e.args, func(arg string) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		return name == "socket" && strings.HasPrefix(arg, "-")
	})
}

// isComposed reports whether the server is one of a compose project.
func (a *appliance) isComposed() bool {
	return strings.HasSuffix(a.socket, "/bty-control/_data/control.sock")
}
