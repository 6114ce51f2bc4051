package liveenv

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

type mount struct {
	kind, target, data string
	flags              uintptr
}

const hardened = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// early are the file systems without which nothing can be done.
var early = [...]mount{
	{"proc", "/proc", "", hardened},
	{"sysfs", "/sys", "", hardened},
	{"devtmpfs", "/dev", "mode=0755", unix.MS_NOSUID | unix.MS_NOEXEC},
	{"tmpfs", "/run", "mode=0755,size=20%", hardened},
	{"tmpfs", "/tmp", "mode=1777,size=50%", hardened},
}

// mountEarly mounts them. A kernel may have done some itself (devtmpfs).
func mountEarly() error {
	var failed error
	for _, m := range early {
		if err := m.do(); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

func (m mount) do() error {
	if err := os.MkdirAll(m.target, 0o755); err != nil {
		return err
	}
	err := unix.Mount(m.kind, m.target, m.kind, m.flags, m.data)
	if err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mount %s on %s: %w", m.kind, m.target, err)
	}
	return nil
}

const efivars = "/sys/firmware/efi/efivars"

// mountEFIVars mounts the firmware's variables where there is UEFI. load loads the module of
// the file system, if it is one.
func mountEFIVars(load func() error) error {
	if _, err := os.Stat(efivars); err != nil {
		return nil // BIOS
	}
	m := mount{"efivarfs", efivars, "", hardened}
	if err := m.do(); !errors.Is(err, unix.ENODEV) {
		return err
	}
	if err := load(); err != nil {
		return err
	}
	return m.do()
}
