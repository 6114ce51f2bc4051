package testenv

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"bty/internal/testenv/flock"
)

// prefix is what the folder and the network namespace of every LAN start with.
const prefix = "bty-lan-"

// claim sweeps what killed runs have left, and makes the folder of a new LAN.
//
// A LAN belongs to the process that holds the lock on its folder's lock file. The kernel drops
// the lock when that process dies, however it dies, and no process id can be mistaken.
func claim(ctx context.Context) (*LAN, error) {
	door, err := flock.Lock(ctx, filepath.Join(os.TempDir(), prefix+"door"))
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
	lock, err := flock.Lock(ctx, filepath.Join(dir, "lock"))
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

// besideMark stands between a LAN's name and the number of a namespace beside it.
const besideMark = "-beside"

// remove ends every process in the namespaces and the control groups, then deletes these and the
// folder.
func remove(name, dir string) error {
	errs := []error{removeCgroups(name)}
	beside, err := filepath.Glob(filepath.Join("/run/netns", name+besideMark+"*"))
	errs = append(errs, err)
	for _, netns := range append(beside, filepath.Join("/run/netns", name)) {
		errs = append(errs, removeNetns(netns))
	}
	errs = append(errs, os.RemoveAll(filepath.Join(nspawnDir, name)), os.RemoveAll(dir))
	return errors.Join(errs...)
}

// nspawnDir has a folder per container, which a systemd-nspawn that was killed leaves behind.
const nspawnDir = "/run/systemd/nspawn/propagate"

func removeNetns(file string) error {
	if !exists(file) {
		return nil
	}
	name := filepath.Base(file)
	pids, err := exec.Command("ip", "netns", "pids", name).Output()
	for pid := range bytes.FieldsSeq(pids) {
		// Never ourselves: a thread of ours may be inside at this moment.
		if n, err := strconv.Atoi(string(pid)); err == nil && n != os.Getpid() {
			_ = unix.Kill(n, unix.SIGKILL) // it may have ended by itself
		}
	}
	return errors.Join(err, ip(context.Background(), "", "netns", "del", name))
}
