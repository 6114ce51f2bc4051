package faulty

import (
	"context"
	"path/filepath"
	"testing"

	"bty/internal/disk/looptest"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// New attaches a sound disk of size bytes, full of fill, and returns its path. It is gone when
// the test ends.
func New(t testing.TB, size int, fill byte) (path string, d *Disk) {
	t.Helper()
	d = &Disk{bytes: make([]byte, size)}
	d.Fill(fill)
	dir := t.TempDir()
	server, err := fs.Mount(dir, &folder{disk: d}, &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, MaxWrite: 1 << 19}})
	if err != nil {
		t.Fatalf("mount a file system of the test (it needs root and /dev/fuse): %v", err)
	}
	t.Cleanup(func() {
		// The loop device lets go of its file a moment after it was closed.
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
		server.Wait()
	})
	path, _ = looptest.New(t, int64(size), looptest.Options{File: filepath.Join(dir, fileName)})
	return path, d
}

const fileName = "disk"

// folder is the root of the file system, with the one file.
type folder struct {
	fs.Inode
	disk *Disk
}

var _ fs.NodeOnAdder = (*folder)(nil)

// OnAdd puts the file into the folder.
func (f *folder) OnAdd(ctx context.Context) {
	f.AddChild(fileName, f.NewPersistentInode(ctx, f.disk, fs.StableAttr{Mode: fuse.S_IFREG}), false)
}
