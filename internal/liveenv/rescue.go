package liveenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	busybox    = "/bin/busybox"
	shellAgain = 5 * time.Second // after a shell ended: a serial line may have nobody at its end
)

// rescue is a shell on every console, for a person who has asked for it on the command line. Drivers
// are loaded and the NIC comes up in the background; nothing listens on the network, nothing is
// written to a disk. It ends with the machine: busybox reboot -f.
func (l *live) rescue(ctx context.Context) error {
	if _, err := os.Stat(busybox); err != nil {
		return errors.New("bty.rescue is on the kernel's command line, and this initramfs has no shell: build one with bty-lab liveenv build --rescue FILE, where FILE is a static busybox")
	}
	if l.badArgs != nil {
		l.log.Warn("command line", "err", l.badArgs)
	}
	if err := l.startDrivers(ctx); err != nil {
		l.log.Warn("drivers", "err", err)
	} else {
		l.task(func() error { _, err := l.network(ctx); return err })
	}
	// Its status is not to be had: init's children are buried by the kernel.
	_ = exec.CommandContext(ctx, busybox, "--install", "-s", "/bin").Run()
	l.log.Info("a shell on every console; reboot -f leaves it")
	if len(l.terminals) == 0 {
		return errors.New("bty.rescue: there is no console for a shell")
	}
	for _, f := range l.terminals {
		l.task(func() error { return shells(ctx, f) })
	}
	<-ctx.Done()
	return ctx.Err()
}

// shells runs one shell after the other on a terminal.
func shells(ctx context.Context, f *os.File) error {
	for ctx.Err() == nil {
		cmd := exec.CommandContext(ctx, busybox, "sh", "-l")
		cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Dir = f, f, f, "/root"
		cmd.Env = []string{"PATH=/bin:/sbin", "HOME=/root", "TERM=" + Terminal{File: f}.Kind(), "PS1=" + filepath.Base(f.Name()) + " rescue# "}
		cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("a shell on %s: %w", f.Name(), err)
		}
		_ = cmd.Wait()
		select {
		case <-ctx.Done():
		case <-time.After(shellAgain):
		}
	}
	return nil
}
