package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"bty/internal/agent"
	"bty/internal/client"
	"bty/internal/disk"
	"bty/internal/flash"
	"bty/internal/hardware"
	"bty/internal/tui"

	"golang.org/x/sys/unix"
)

// env is the world that run sees.
type env struct {
	args           []string
	stdin          io.Reader
	stdout, stderr io.Writer
	terminal       bool   // a person can be asked: stdin and stderr are a terminal
	root           bool   // disks may be written
	cmdline        string // the kernel's
	limits         agent.Limits

	getenv func(string) string
	tty    func() tui.Terminal // where a person is asked

	disks    func(context.Context) ([]disk.Device, error)
	others   func() ([]disk.Other, error) // devices that are no disks; may be nil
	nics     func(client.Server) ([]nic, error)
	inspect  func(path string) (disk.Device, error)
	flash    func(context.Context, flash.Request, func(flash.Progress)) (flash.Result, error)
	hardware func() (json.RawMessage, error)
	reboot   func(context.Context) error
}

// host is the machine this process runs on.
func host() env {
	cmdline, _ := os.ReadFile("/proc/cmdline")
	return env{
		args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		terminal: isTerminal(os.Stdin) && isTerminal(os.Stderr),
		root:     os.Geteuid() == 0,
		cmdline:  string(cmdline),
		getenv:   os.Getenv,
		tty:      func() tui.Terminal { return tui.FromEnvironment(os.Getenv) },
		disks:    func(context.Context) ([]disk.Device, error) { return disk.System().List() },
		others:   disk.System().Others,
		nics:     linkedNICs,
		inspect:  disk.System().Inspect,
		flash:    flash.Run,
		hardware: hardware.Host().JSON,
		reboot:   reboot,
	}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// reboot asks systemd where there is one, so that it stops what runs; else the kernel.
func reboot(ctx context.Context) error {
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
		defer cancel()
		if out, err := exec.CommandContext(ctx, "systemctl", "reboot").CombinedOutput(); err != nil {
			return fmt.Errorf("systemctl reboot: %w: %s", err, out)
		}
		return nil
	}
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART); err != nil {
		return fmt.Errorf("ask the kernel to reboot: %w", err)
	}
	return nil
}
