package faulty

import (
	"context"
	"os"
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
	limitRequests(t, path)
	return path, d
}

// limitRequests keeps a request of the loop device as small as one of the file system. The driver
// takes a write of which only the first part succeeded for a whole one, and no error would be seen.
func limitRequests(t testing.TB, path string) {
	t.Helper()
	attr := filepath.Join("/sys/block", filepath.Base(path), "queue/max_sectors_kb")
	before, err := os.ReadFile(attr)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(attr, []byte("128"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile(attr, before, 0o600) }) // the number goes to the next loop device
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
