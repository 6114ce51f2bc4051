// Package owner says why a process may not use a file: whose it is, who the process is, and what to
// do. In a container that is the first thing to go wrong, and "permission denied" helps nobody.
package owner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Explain adds to err, of a call on path, what has to be known to mend it. An error that is not about
// rights comes back as it is.
func Explain(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: it lies on a file system that is mounted read-only; mount it so that it can be written", err)
	case !errors.Is(err, fs.ErrPermission):
		return err
	}
	barrier, info := find(path)
	st, ok := info.(*syscall.Stat_t)
	if !ok {
		return err
	}
	if int(st.Uid) == os.Geteuid() {
		return fmt.Errorf("%w: %s has mode %04o; correct its permissions", err, barrier, st.Mode&0o7777)
	}
	advice := "start it as that user, or give it to this one with chown"
	if InContainer() {
		advice = fmt.Sprintf("run the container as that user, or give the files to this one: mount the volume with :U (-v NAME:%s:U)", barrier)
	}
	return fmt.Errorf("%w: %s belongs to user %d and group %d (mode %04o), and this process is user %d and group %d; %s",
		err, barrier, st.Uid, st.Gid, st.Mode&0o7777, os.Geteuid(), os.Getegid(), advice)
}

// find returns the place at which path comes to its end for this process: itself, or the folder above
// it that can still be looked at.
func find(path string) (string, any) {
	for path = filepath.Clean(path); ; path = filepath.Dir(path) {
		if info, err := os.Stat(path); err == nil {
			return path, info.Sys()
		}
		if path == filepath.Dir(path) {
			return path, nil
		}
	}
}

// InContainer reports whether this is a container of Podman or Docker. One of systemd-nspawn is a host
// like others.
func InContainer() bool {
	for _, mark := range []string{"/run/.containerenv", "/.dockerenv"} {
		if _, err := os.Stat(mark); err == nil {
			return true
		}
	}
	return os.Getenv("container") == "podman" // without a /run of its own
}

// Switch is what has systemd listen for a daemon: the command, and in a container what comes before it on
// the host, whose units there may not be any.
func Switch(socketUnit string, contained bool) (command, words string) {
	enable := "systemctl enable --now " + socketUnit
	if !contained {
		return enable, enable
	}
	const all = "bty-lab deploy --without none"
	return all, "on the host of this container: " + all + " (which takes in all services that were left out), or where its unit is installed: " + enable
}
