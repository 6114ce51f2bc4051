package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// prefix is what the folder and the network namespace of every LAN start with.
const prefix = "bty-lan-"

// claim sweeps what killed runs have left, and makes the folder of a new LAN.
//
// A LAN belongs to the process that holds the lock on its folder's lock file. The kernel drops
// the lock when that process dies, however it dies, and no process id can be mistaken.
func claim(ctx context.Context) (*LAN, error) {
	door, err := lockFile(ctx, filepath.Join(os.TempDir(), prefix+"door"))
	if err != nil {
		return nil, err
	}
	defer door.Close()
	if err := sweep(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &LAN{Name: filepath.Base(dir), Dir: dir, lock: lock}, nil
}

// sweep removes every LAN whose owner is dead. The caller holds the door.
func sweep() error {
	locks, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*", "lock"))
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range locks {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			continue // another run has just removed it
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			dir := filepath.Dir(name)
			errs = append(errs, remove(filepath.Base(dir), dir))
		}
		f.Close()
	}
	return errors.Join(errs...)
}

// remove ends every process in the namespace, then deletes namespace and folder.
func remove(name, dir string) error {
	var errs []error
	if _, err := os.Stat(filepath.Join("/run/netns", name)); err == nil {
		pids, err := exec.Command("ip", "netns", "pids", name).Output()
		errs = append(errs, err)
		for pid := range bytes.FieldsSeq(pids) {
			// Never ourselves: a thread of ours may be inside at this moment.
			if n, err := strconv.Atoi(string(pid)); err == nil && n != os.Getpid() {
				_ = unix.Kill(n, unix.SIGKILL) // it may have ended by itself
			}
		}
		errs = append(errs, ip(context.Background(), "", "netns", "del", name))
	}
	return errors.Join(append(errs, os.RemoveAll(dir))...)
}

func lockFile(ctx context.Context, name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return f, nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("waiting for the lock %s: %w", name, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
