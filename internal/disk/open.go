package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func deviceNumber(info fs.FileInfo) uint64 { return uint64(info.Sys().(*syscall.Stat_t).Rdev) }

// Target is a disk that this program alone may write. Its reads and writes go past the page
// cache: addresses, offsets and lengths are multiples of the logical block.
type Target struct {
	Device
	f        *os.File
	ring     *ring         // nil: not to be had, and writes are system calls
	ringed   *os.File      // the same disk, for the ring
	before   time.Duration // processor time that rings had taken
	worked   atomic.Int64  // without a ring, in nanoseconds
	noPunch  atomic.Bool   // zeroing by discard is not to be had, or does not give zeros
	noZeroes atomic.Bool   // nor is any other zeroing that is not plain writing
}

// Open opens the disk behind path exclusively. A disk that is mounted, used as swap, part of
// another device, opened exclusively by somebody else, or read-only is refused.
//
// Who the disk is, is read again once it is open: while it is, the kernel gives its number to no
// other one. So the Device of a Target is the disk that is written, whatever was plugged in
// between.
func (h Host) Open(path string) (*Target, error) {
	at, err := locate(path)
	if err != nil {
		return nil, err
	}
	if _, err := h.writable(at); err != nil {
		return nil, err
	}
	// O_EXCL on a block device without O_CREAT: the kernel refuses while anybody holds the disk
	// or a part of it (mounts in other namespaces included), and holds it for us.
	f, err := os.OpenFile(at.path, os.O_RDWR|unix.O_EXCL|unix.O_DIRECT, 0)
	if err != nil {
		return nil, openError(path, err)
	}
	t := &Target{f: f}
	t.useRing() // without one the same is done more slowly
	t.before = ringTime()
	if t.Device, err = h.opened(f, at); err == nil {
		err = t.ask()
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// useRing opens the disk once more for the ring, and not exclusively: the kernel keeps the file of a request for
// milliseconds after its answer, and Close gives the disk free at once.
func (t *Target) useRing() {
	again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", t.f.Fd()), os.O_RDWR|unix.O_DIRECT, 0)
	if err != nil {
		return
	}
	if t.ring, err = newRing(); err != nil {
		again.Close()
		return
	}
	t.ringed = again
}

// opened says which disk f is, which was opened as the one at a node.
func (h Host) opened(f *os.File, at node) (Device, error) {
	info, err := f.Stat()
	if err != nil {
		return Device{}, fmt.Errorf("look at %s: %w", at.asked, pathless(err))
	}
	if deviceNumber(info) != at.number {
		return Device{}, fmt.Errorf("%w: %s became another disk while it was opened", ErrNoDisk, at.asked)
	}
	return h.writable(at)
}

// writable describes a disk and refuses one that must not be written.
func (h Host) writable(at node) (Device, error) {
	d, err := h.describe(at)
	if err != nil {
		return d, err
	}
	if err := d.Busy(); err != nil {
		return d, err
	}
	if d.ReadOnly {
		return d, fmt.Errorf("%w: %s; look for a write-protect switch", ErrReadOnly, at.asked)
	}
	if d.Size == 0 {
		return d, fmt.Errorf("%w: %s has no medium", ErrNoDisk, at.asked)
	}
	return d, nil
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w: %s is held by another program (RAID, LVM, a mount in a container, another flash)", ErrBusy, path)
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: %s: %w", ErrReadOnly, path, pathless(err))
	case errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENOMEDIUM), errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%w: %s: %w", ErrNoDisk, path, pathless(err))
	}
	return fmt.Errorf("open %s for writing: %w", path, pathless(err))
}

// ask takes the sizes from the open device, which cannot become another one any more.
func (t *Target) ask() error {
	size, err := t.askSize()
	if err != nil {
		return fmt.Errorf("ask %s for its size: %w", t.Path, err)
	}
	logical, err := unix.IoctlGetInt(int(t.f.Fd()), unix.BLKSSZGET)
	if err != nil {
		return fmt.Errorf("ask %s for its block size: %w", t.Path, err)
	}
	t.Size, t.Logical = size, logical
	return nil
}

func (t *Target) askSize() (int64, error) {
	var size uint64
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, t.f.Fd(), unix.BLKGETSIZE64, uintptr(unsafe.Pointer(&size))); errno != 0 {
		return 0, errno
	}
	return int64(size), nil
}

// cause is what a failed request means. A disk that was taken out has no bytes any more, and what
// the kernel says of a write behind its end, that no space is left, leads astray.
func (t *Target) cause(err error) error {
	if size, serr := t.askSize(); serr != nil || size < t.Size {
		return fmt.Errorf("the disk is gone: it was taken out, or its cable or controller failed: %w", pathless(err))
	}
	return pathless(err)
}

// Close gives the disk free.
func (t *Target) Close() error {
	if t.ring != nil {
		t.ring.close()
	}
	if t.ringed != nil {
		t.ringed.Close() // whose failure is that of t.f
	}
	return t.f.Close()
}

// WriteAt writes whole blocks. Several calls may be in flight.
func (t *Target) WriteAt(p []byte, off int64) (int, error) {
	n, err := t.writeAt(p, off)
	if err != nil {
		err = fmt.Errorf("write %s at byte %d: %w", t.Path, off+int64(n), t.cause(err))
	}
	return n, err
}

func (t *Target) writeAt(p []byte, off int64) (n int, err error) {
	if t.ring == nil {
		err = t.alone(func() (err error) { n, err = t.f.WriteAt(p, off); return err })
		return n, err
	}
	for n < len(p) && err == nil {
		var wrote int
		wrote, err = t.ring.write(int(t.ringed.Fd()), p[n:], off+int64(n))
		if n += wrote; err == nil && wrote == 0 {
			err = io.ErrUnexpectedEOF
		}
		if errors.Is(err, unix.EINTR) {
			err = nil
		}
	}
	return n, err
}

// ReadAt reads whole blocks.
func (t *Target) ReadAt(p []byte, off int64) (int, error) {
	n, err := t.f.ReadAt(p, off)
	if err != nil {
		err = fmt.Errorf("read %s at byte %d: %w", t.Path, off+int64(n), t.cause(err))
	}
	return n, err
}

// Sync returns when all that was written is on the medium.
func (t *Target) Sync() error {
	if err := t.f.Sync(); err != nil {
		return fmt.Errorf("flush %s: %w", t.Path, t.cause(err))
	}
	return nil
}

// rereadFor bounds the wait for those who look at the partitions just when we do: udev, udisks.
const rereadFor = 10 * time.Second

// RereadTable makes the kernel read the partition table again.
func (t *Target) RereadTable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rereadFor)
	defer cancel()
	for wait := 20 * time.Millisecond; ; wait *= 2 {
		err := unix.IoctlSetInt(int(t.f.Fd()), unix.BLKRRPART, 0)
		if err == nil || errors.Is(err, unix.EINVAL) { // a loop device without partition scanning
			return nil
		}
		if !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("re-read the partition table of %s: %w", t.Path, err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("re-read the partition table of %s: an old partition is still in use: %w", t.Path, err)
		}
	}
}
