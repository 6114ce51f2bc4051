// Package looptest makes loop devices for tests: real disks of any size, over files.
package looptest

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Options of New.
type Options struct {
	File       string // backing file, made if it does not exist; default: one in memory
	BlockSize  int    // logical block; default 512
	Partitions bool   // let the kernel scan for partitions
	ReadOnly   bool
}

// New attaches a loop device of size bytes and returns its path and its backing file's. It is
// detached when the test ends, even if the test is killed.
func New(t testing.TB, size int64, o Options) (path, file string) {
	t.Helper()
	if o.File == "" {
		o.File = inMemory(t)
	}
	f, err := os.OpenFile(o.File, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	dev, err := attach(f, o)
	if err != nil {
		t.Fatalf("attach a loop device (this test needs root and a kernel with loop devices): %v", err)
	}
	t.Cleanup(func() { dev.Close() })
	return dev.Name(), o.File
}

// inMemory makes a file without a name, which other programs reach through this process: flushes,
// of which a flash has many, then take no time.
func inMemory(t testing.TB) string {
	t.Helper()
	fd, err := unix.MemfdCreate("disk", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd)
}

func attach(f *os.File, o Options) (*os.File, error) {
	ctl, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer ctl.Close()
	for range 100 {
		n, err := unix.IoctlRetInt(int(ctl.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("find a free loop device: %w", err)
		}
		dev, err := configure(fmt.Sprintf("/dev/loop%d", n), f, o)
		if !errors.Is(err, unix.EBUSY) { // else somebody else took it first
			return dev, err
		}
	}
	return nil, errors.New("no loop device stays free long enough")
}

func configure(path string, f *os.File, o Options) (*os.File, error) {
	dev, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	config := unix.LoopConfig{Fd: uint32(f.Fd()), Size: uint32(o.BlockSize)}
	config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
	if o.Partitions {
		config.Info.Flags |= unix.LO_FLAGS_PARTSCAN
	}
	if o.ReadOnly {
		config.Info.Flags |= unix.LO_FLAGS_READ_ONLY
	}
	if err := unix.IoctlLoopConfigure(int(dev.Fd()), &config); err != nil {
		dev.Close()
		return nil, fmt.Errorf("configure %s: %w", path, err)
	}
	return dev, nil
}
