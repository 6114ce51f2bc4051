package fill

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ownDisk is an ext4 in a file, whose power can be cut.
type ownDisk struct {
	t        *testing.T
	file, at string
}

func newDisk(t *testing.T) *ownDisk {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	d := &ownDisk{t, filepath.Join(t.TempDir(), "disk"), t.TempDir()}
	if err := os.WriteFile(d.file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.file, 96<<20); err != nil {
		t.Fatal(err)
	}
	d.command("mkfs.ext4", "-q", d.file)
	d.command("mount", "-o", "loop", d.file, d.at)
	t.Cleanup(func() { d.command("umount", d.at) })
	return d
}

func (d *ownDisk) command(name string, args ...string) {
	d.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		d.t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// cut makes the file system forget what has not reached the disk, and reads nothing but that
// afterwards (ext4's EXT4_IOC_SHUTDOWN without a flush of its journal).
func (d *ownDisk) cut() {
	d.t.Helper()
	const ioctl, noFlush = 0x8004587d, 2
	f, err := os.Open(d.at)
	if err != nil {
		d.t.Fatal(err)
	}
	flags := uint32(noFlush)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), ioctl, uintptr(unsafe.Pointer(&flags)))
	f.Close()
	if errno != 0 {
		d.t.Fatal(errno)
	}
}

// back mounts a copy: a mount namespace that another program made meanwhile may hold the file system
// that was cut, and mounting the file once more would give that one again.
func (d *ownDisk) back() {
	d.t.Helper()
	d.command("umount", d.at)
	was := d.file
	d.file = filepath.Join(d.t.TempDir(), "disk")
	d.command("cp", "--sparse=always", was, d.file)
	d.command("mount", "-o", "loop", d.file, d.at)
	if err := os.Remove(was); err != nil {
		d.t.Fatal(err)
	}
}

// After a power cut at any moment no image counts that is not whole, what was there before is there,
// and the cache goes on.
func TestPowerCut(t *testing.T) {
	d := newDisk(t)
	dir := filepath.Join(d.at, "cache")
	data := noise(6, 6<<20)
	var sent atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		http.ServeContent(w, r, "disk.img", time.Time{}, &slow{Reader: bytes.NewReader(data), sent: &sent})
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections)
	there := map[string]bool{} // that were held after an earlier cut
	for round := 0; round < 8 || len(there) == 0 && round < 40; round++ {
		src := Source{Src: srv.URL + "/" + string(rune('a'+round%4))}
		cutWhile(t, d, dir, src)
		for name := range there {
			if !heldNow(t, dir, Source{Src: name}, data) {
				t.Fatalf("round %d: %s was held after an earlier cut", round, name)
			}
		}
		if heldNow(t, dir, src, data) {
			there[src.Src] = true
		}
	}
	if len(there) == 0 {
		t.Errorf("no image was ever complete")
	}
}

// cutWhile cuts the power while a process of its own fetches an image.
func cutWhile(t *testing.T, d *ownDisk, dir string, src Source) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, "BTY_FILL_TEST_SRC="+src.Src)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(50+rand.IntN(400)) * time.Millisecond)
	d.cut()
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	d.back()
}

// What Status shows as complete outlives a power cut in the same moment.
func TestPowerCutAfterCommit(t *testing.T) {
	d := newDisk(t)
	p := newPlace(t, noise(7, 24<<20))
	for round := range 3 {
		dir := filepath.Join(d.at, string(rune('a'+round)))
		c := New(quick(t, dir))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		src := Source{Src: p.url, Digest: digest(p.data)}
		wants(t, c, src, p.data)
		for len(c.Status().Blobs) == 0 {
			time.Sleep(100 * time.Microsecond)
		}
		d.cut()
		stop()
		<-ended // its error is that the disk is gone
		d.back()
		if !heldNow(t, dir, src, p.data) {
			t.Fatalf("round %d: it is lost", round)
		}
	}
}
