package fill

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bty/internal/wire"
)

// smallDisk is a file system of its own.
func smallDisk(t *testing.T, options string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A disk that somebody else fills in the middle of a fetch: a broken transfer, no garbage, a reason,
// and no harm once there is space.
func TestDiskFull(t *testing.T) {
	dir := smallDisk(t, "size=8m")
	data := noise(1, 4<<20)
	p := newPlace(t, data)
	p.hold = make(chan struct{})
	c, _ := run(t, quick(t, dir))
	src := Source{Src: p.url}
	h := open(t, c, src)
	if _, err := h.CopyTo(t.Context(), io.Discard, 0, 1000); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	_ = os.WriteFile(ballast, make([]byte, 8<<20), 0o600) // as much as there is
	p.release()
	n, err := h.CopyTo(t.Context(), io.Discard, 0, -1)
	if !errors.Is(err, ErrNoRoom) || !errors.Is(err, unix.ENOSPC) || n >= int64(len(data)) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	eventually(t, func() bool { return len(files(t, dir)) == 0 })
	if s := c.Status(); len(s.Fills) != 1 || s.Fills[0].Status != wire.CacheFillFailed || !strings.Contains(s.Fills[0].Error, "more space") {
		t.Errorf("%+v", s.Fills)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	warm(t, c, src)
	wants(t, c, src, data)
}

// What cannot fit is refused before the first byte; what fits is made room for.
func TestRoom(t *testing.T) {
	cfg := quick(t, t.TempDir())
	cfg.Limit = 2 << 20
	c, _ := run(t, cfg)
	big, a, b := newPlace(t, noise(1, 3<<20)), newPlace(t, noise(2, 1<<20)), newPlace(t, noise(3, 3<<19))
	wants(t, c, Source{Src: a.url}, a.data)
	got, err := read(t, c, Source{Src: big.url})
	if !errors.Is(err, ErrNoRoom) || len(got) != 0 || !strings.Contains(err.Error(), "unpin") {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, held := c.Held(Source{Src: a.url}); !held {
		t.Error("it was evicted for what does not fit")
	}
	wants(t, c, Source{Src: b.url}, b.data)
	if _, held := c.Held(Source{Src: a.url}); held {
		t.Error("it holds more than its limit")
	}
	if err := c.Pin(b.url, true); err != nil {
		t.Fatal(err)
	}
	if got, err := read(t, c, Source{Src: a.url}); !errors.Is(err, ErrNoRoom) || len(got) != 0 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if s := c.Status(); len(s.Blobs) != 1 || !s.Blobs[0].Pinned || s.HeldBytes != 3<<19 || s.LimitBytes != 2<<20 || s.FreeBytes == 0 {
		t.Errorf("%+v", s)
	}
}

// An image of unknown length finds out on its way that it does not fit.
func TestRoomForUnknownLength(t *testing.T) {
	cfg := quick(t, t.TempDir())
	cfg.Limit = 1 << 20
	c, _ := run(t, cfg)
	p := newPlace(t, noise(1, 2<<20), act{chunked: true})
	breaks(t, c, Source{Src: p.url}, p.data, ErrNoRoom)
	eventually(t, func() bool { return len(files(t, cfg.Dir)) == 0 })
}

// An image that never ends does not have all others evicted for it.
func TestEndlessEvictsNobody(t *testing.T) {
	was := reserveStep
	reserveStep = 64 << 10
	t.Cleanup(func() { reserveStep = was })
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for err == nil {
			_, err = w.Write(make([]byte, 64<<10))
		}
	}))
	t.Cleanup(endless.Close)
	t.Cleanup(endless.CloseClientConnections)
	cfg := quick(t, t.TempDir())
	cfg.Limit = 4 << 20
	c, _ := run(t, cfg)
	a, b := newPlace(t, noise(1, 1<<20)), newPlace(t, noise(2, 1<<19))
	wants(t, c, Source{Src: a.url}, a.data)
	wants(t, c, Source{Src: b.url}, b.data)
	_, err := read(t, c, Source{Src: endless.URL + "/disk.img"})
	if !errors.Is(err, ErrNoRoom) || !strings.Contains(err.Error(), "declare its size") {
		t.Errorf("%v", err)
	}
	for _, p := range []*place{a, b} {
		if _, held := c.Held(Source{Src: p.url}); !held {
			t.Error("an image was evicted")
		}
	}
	eventually(t, func() bool { return len(files(t, cfg.Dir)) == 4 })
	// One of unknown length that ends is held.
	open := newPlace(t, noise(3, 1<<20), act{chunked: true})
	wants(t, c, Source{Src: open.url}, open.data)
}

func TestFolderThatCannotBeUsed(t *testing.T) {
	data := noise(1, 1000)
	p := newPlace(t, data)
	src := Source{Src: p.url}
	t.Run("read-only", func(t *testing.T) {
		dir := smallDisk(t, "size=1m,ro")
		c, _ := run(t, quick(t, dir))
		for range 3 {
			breaks(t, c, src, data, ErrFolder)
		}
		if s := c.Status(); !strings.Contains(s.Problem, "read-only") || !strings.Contains(s.Problem, "writable") {
			t.Errorf("%q", s.Problem)
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=1m"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(retryFolder)
		wants(t, c, src, data)
		eventually(t, func() bool { return c.Status().Problem == "" })
	})
	t.Run("a file", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "cache")
		if err := os.WriteFile(dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		c, _ := run(t, quick(t, dir))
		breaks(t, c, src, data, ErrFolder)
	})
	t.Run("not there yet", func(t *testing.T) {
		c, _ := run(t, quick(t, filepath.Join(t.TempDir(), "a", "b")))
		wants(t, c, src, data)
	})
	t.Run("read-only later on", func(t *testing.T) {
		dir := smallDisk(t, "size=1m")
		c, _ := run(t, quick(t, dir))
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, "size=1m"); err != nil {
			t.Fatal(err)
		}
		breaks(t, c, src, data, ErrFolder)
		if s := c.Status(); !strings.Contains(s.Problem, "read-only") {
			t.Errorf("%q", s.Problem)
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=1m"); err != nil {
			t.Fatal(err)
		}
		warm(t, c, src)
		wants(t, c, src, data)
		eventually(t, func() bool { return c.Status().Problem == "" })
	})
	t.Run("taken away", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "cache")
		c, _ := run(t, quick(t, dir))
		wants(t, c, src, data)
		eventually(t, func() bool { return len(c.Status().Fills) == 0 })
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		_, _ = read(t, c, src) // finds out
		warm(t, c, src)
		wants(t, c, src, data)
	})
}

// A file system that is mounted over the folder has what it has, and nobody has to start the cache anew for it.
func TestAnotherFolder(t *testing.T) {
	data := noise(1, 1000)
	p := newPlace(t, data)
	src := Source{Src: p.url}
	full, dir := filepath.Join(t.TempDir(), "full"), filepath.Join(t.TempDir(), "cache")
	first, stop := run(t, quick(t, full))
	wants(t, first, src, data)
	eventually(t, func() bool { return len(first.Status().Fills) == 0 })
	stop()
	c, _ := run(t, quick(t, dir))
	if _, held := c.Held(src); held {
		t.Fatal("it is held already")
	}
	if err := unix.Renameat2(unix.AT_FDCWD, full, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE); err != nil {
		t.Fatal(err)
	}
	c.tend()
	wants(t, c, src, data)
	if p.gets() != 1 {
		t.Errorf("the origin was asked %d times", p.gets())
	}
}
