package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"bty/internal/config"
	"bty/internal/deploy"
	"bty/internal/liveenv/builder"
)

// hostArch is the architecture of this host, as far as a live environment can be for it.
func hostArch() string {
	if runtime.GOARCH == "arm64" {
		return string(builder.ARM64)
	}
	return string(builder.X86_64)
}

// controlSocket is where bty-web listens unless somebody moved it.
func controlSocket(getenv func(string) string) string {
	dir := getenv("BTY_PATHS_RUN_DIR")
	if dir == "" {
		dir = cmp.Or(deploy.OwnRun(), config.DefaultRunDir)
	}
	return filepath.Join(dir, "control.sock")
}

// runningKernel is what `uname -r` says.
func runningKernel() (string, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "", fmt.Errorf("ask for the version of the running kernel: %w", err)
	}
	return unix.ByteSliceToString(name.Release[:]), nil
}

// hostKernel is the file of an installed kernel and its modules; empty if it is not there.
// Debian has the file in /boot, Fedora beside the modules too.
func hostKernel(root, version string) (file, modules string) {
	modules = filepath.Join(root, "lib/modules", version)
	for _, path := range []string{filepath.Join(root, "boot/vmlinuz-"+version), filepath.Join(modules, "vmlinuz")} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, modules
		}
	}
	return "", modules
}
