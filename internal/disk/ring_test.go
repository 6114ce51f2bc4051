package disk

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bty/internal/directio"
	"bty/internal/disk/faulty"
	"bty/internal/disk/looptest"

	"golang.org/x/sys/unix"
)

// ways are those to write: by a ring, and where there is none.
func ways(t *testing.T, f func(t *testing.T, open func(path string) *Target)) {
	t.Run("ring", func(t *testing.T) {
		f(t, func(path string) *Target {
			d := open(t, path)
			if d.ring == nil {
				_, err := newRing()
				t.Fatalf("no ring: %v", err)
			}
			return d
		})
	})
	t.Run("system calls", func(t *testing.T) {
		f(t, func(path string) *Target {
			d := open(t, path)
			d.ring.close()
			d.ring = nil
			return d
		})
	})
}

// Many writes and holes at a time, more than a ring takes: each byte is where it belongs.
func TestWriteBeside(t *testing.T) {
	ways(t, func(t *testing.T, open func(string) *Target) {
		const piece, pieces = 256 << 10, 200
		path, file := looptest.New(t, piece*pieces, looptest.Options{})
		d := open(path)
		want := make([]byte, piece*pieces)
		rand.NewChaCha8([32]byte{1}).Read(want)
		var all sync.WaitGroup
		for i := range pieces {
			all.Go(func() {
				buf := directio.Buffer(piece)
				copy(buf, want[i*piece:])
				if _, err := d.WriteAt(buf, int64(i*piece)); err != nil {
					t.Error(err)
				}
				if i%3 == 0 {
					if err := d.Zero(context.Background(), int64(i*piece), piece/2); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		for i := 0; i < pieces; i += 3 {
			clear(want[i*piece : i*piece+piece/2])
		}
		if d.Worked() <= 0 {
			t.Errorf("it took %v of processor time", d.Worked())
		}
		if err := d.Sync(); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("the disk holds something else (%v)", err)
		}
	})
}

// An error is the disk's own, whichever way it took.
func TestWriteErrors(t *testing.T) {
	ways(t, func(t *testing.T, open func(string) *Target) {
		path, f := faulty.New(t, 8<<20, 0x6f)
		d := open(path)
		f.Set(faulty.Faults{Refuse: faulty.Span{From: 2 << 20, To: 2<<20 + 512}})
		buf := directio.Buffer(1 << 20)
		_, err := d.WriteAt(buf, 2<<20)
		if !errors.Is(err, unix.EIO) || !strings.Contains(err.Error(), "write "+path+" at byte ") {
			t.Errorf("a write that the disk refuses: %v", err)
		}
		if err := d.Zero(context.Background(), 2<<20, 1<<20); !errors.Is(err, unix.EIO) {
			t.Errorf("zeroing that it refuses: %v", err)
		}
		if _, err := d.WriteAt(buf, 1<<20); err != nil {
			t.Errorf("and what it does not refuse: %v", err)
		}
		if _, err := d.WriteAt(buf, d.Size); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("behind the end: %v", err)
		}
	})
}

// Whoever closes a disk leaves nothing: it can be opened exclusively at once, by this process and others.
func TestCloseLeavesNothing(t *testing.T) {
	path, _ := looptest.New(t, 4<<20, looptest.Options{})
	before := descriptors(t)
	for range 100 {
		d, err := System().Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.WriteAt(directio.Buffer(1<<20), 1<<20); err != nil {
			t.Error(err)
		}
		if err := d.Sync(); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d rings are open, %d were", after, before)
	}
}

func descriptors(t *testing.T) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range all {
		if to, err := os.Readlink(fd); err == nil && strings.Contains(to, "io_uring") {
			n++
		}
	}
	return n
}

// An answer to what nobody asked ends neither the program nor leaves who waits.
func TestRingDefect(t *testing.T) {
	path, _ := looptest.New(t, 1<<20, looptest.Options{})
	d := open(t, path)
	const nop, nobody = 0, 1000
	if err := d.ring.submit(&sqe{op: nop, number: nobody}); err != nil {
		t.Fatal(err)
	}
	<-d.ring.dead
	if _, err := d.WriteAt(directio.Buffer(4096), 0); err == nil || !strings.Contains(err.Error(), "which is a defect") {
		t.Error(err)
	}
	d.Close()
	again, err := System().Open(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// A disk that was closed may be opened by the next one at once: the kernel keeps the file of a request for a
// moment after its answer.
func TestClosedIsFree(t *testing.T) {
	path, _ := looptest.New(t, 16<<20, looptest.Options{})
	buf := directio.Buffer(1 << 20)
	for i := range 150 {
		d, err := System().Open(path)
		if err != nil {
			t.Fatalf("after %d rounds: %v", i, err)
		}
		var all sync.WaitGroup
		for n := range ringSize {
			all.Go(func() {
				if _, err := d.WriteAt(buf, int64(n)<<20); err != nil {
					t.Error(err)
				}
				if err := d.Zero(t.Context(), int64(n)<<20, 64<<10); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
