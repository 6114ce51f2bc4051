// Package faulty makes disks for tests that fail as real ones do: a loop device over a file of a
// file system in user space, which refuses, loses and falsifies what it is told to.
package faulty

import (
	"context"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Faults says what is wrong with a disk. The zero value is a sound one. A byte belongs to a fault
// if its offset is in the span.
type Faults struct {
	Refuse    Span          // writes that touch it fail with EIO
	Unread    Span          // reads that touch it fail with EIO
	Drop      Span          // writes into it succeed and change nothing
	Flip      Span          // one bit of each write that touches it is turned, at its first byte
	FailSync  bool          // every flush fails with EIO
	LazyPunch bool          // a hole that is punched keeps its old bytes
	Slow      time.Duration // that each write takes
}

// Span is a range of bytes; the zero value has none.
type Span struct{ From, To int64 }

func (s Span) meets(off int64, n int) bool { return off < s.To && off+int64(n) > s.From }

// Disk is the file behind the loop device.
type Disk struct {
	fs.Inode

	mu     sync.Mutex
	bytes  []byte
	faults Faults
}

var (
	_ fs.NodeOpener    = (*Disk)(nil)
	_ fs.NodeGetattrer = (*Disk)(nil)
	_ fs.NodeSetattrer = (*Disk)(nil)
	_ fs.NodeReader    = (*Disk)(nil)
	_ fs.NodeWriter    = (*Disk)(nil)
	_ fs.NodeFsyncer   = (*Disk)(nil)
	_ fs.NodeAllocater = (*Disk)(nil)
)

// Set changes what is wrong.
func (d *Disk) Set(f Faults) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = f
}

// Fill makes every byte of the disk b.
func (d *Disk) Fill(b byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.bytes {
		d.bytes[i] = b
	}
}

// Bytes is a copy of what the disk holds.
func (d *Disk) Bytes() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]byte(nil), d.bytes...)
}

// Open lets every read and write come here: nothing is cached.
func (d *Disk) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

// Getattr gives the size.
func (d *Disk) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = fuse.S_IFREG|0o600, uint64(len(d.bytes))
	return 0
}

// Setattr takes no change but is content: the size is what it is.
func (d *Disk) Setattr(ctx context.Context, f fs.FileHandle, _ *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return d.Getattr(ctx, f, out)
}

// Read gives what the disk holds.
func (d *Disk) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.faults.Unread.meets(off, len(dest)) {
		return nil, syscall.EIO
	}
	return fuse.ReadResultData(dest[:copy(dest, d.bytes[min(off, int64(len(d.bytes))):])]), 0
}

// Write takes what the faults leave of data.
func (d *Disk) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	time.Sleep(d.faults.Slow)
	if d.faults.Refuse.meets(off, len(data)) {
		return 0, syscall.EIO
	}
	if off+int64(len(data)) > int64(len(d.bytes)) {
		return 0, syscall.ENOSPC
	}
	d.keep(data, off)
	return uint32(len(data)), 0
}

func (d *Disk) keep(data []byte, off int64) {
	drop := d.faults.Drop
	for i, b := range data {
		if at := off + int64(i); at < drop.From || at >= drop.To {
			d.bytes[at] = b
		}
	}
	if flip := d.faults.Flip; flip.meets(off, len(data)) {
		d.bytes[max(off, flip.From)] ^= 0x10
	}
}

// Fsync flushes.
func (d *Disk) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.faults.FailSync {
		return syscall.EIO
	}
	return 0
}

// Allocate punches holes, which is how a loop device discards and zeroes.
func (d *Disk) Allocate(_ context.Context, _ fs.FileHandle, off, size uint64, mode uint32) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if mode&(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_ZERO_RANGE) == 0 {
		return syscall.EOPNOTSUPP
	}
	if d.faults.Refuse.meets(int64(off), int(size)) {
		return syscall.EIO
	}
	if !d.faults.LazyPunch {
		clear(d.bytes[off:min(off+size, uint64(len(d.bytes)))])
	}
	return 0
}
