package disk

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bty/internal/directio"
	"bty/internal/disk/looptest"

	"golang.org/x/sys/unix"
)

func run(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s (apt-get install e2fsprogs fdisk gdisk util-linux)", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

func open(t *testing.T, path string) *Target {
	t.Helper()
	d, err := System().Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func refused(t *testing.T, path string, want error, says string) {
	t.Helper()
	d, err := System().Open(path)
	if err == nil {
		d.Close()
	}
	if !errors.Is(err, want) || !strings.Contains(err.Error(), says) {
		t.Errorf("open %s: %v, want %v saying %q", path, err, want, says)
	}
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, make([]byte, 512), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, "/dev/nothing-here", ErrNoDisk, "no such file")
	refused(t, file, ErrNoDisk, "not a block device")
	refused(t, "/dev/null", ErrNoDisk, "not a block device")
	ro, _ := looptest.New(t, 1<<20, looptest.Options{ReadOnly: true})
	refused(t, ro, ErrReadOnly, ro)
	path, _ := looptest.New(t, 1<<20, looptest.Options{})
	first := open(t, path)
	refused(t, path, ErrBusy, "held by another program")
	first.Close()
	link := filepath.Join(t.TempDir(), "by-id")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if d := open(t, link); d.Path != path || d.Size != 1<<20 || d.Logical != 512 {
		t.Errorf("%+v", d.Device)
	}
}

func TestMountedPartitionIsRefused(t *testing.T) {
	path, _ := looptest.New(t, 64<<20, looptest.Options{Partitions: true})
	run(t, "addpart", path, "1", "2048", "100000") // the kernel may know no partition table
	part := path + "p1"
	refused(t, part, ErrNoDisk, "is a partition of "+filepath.Base(path))
	run(t, "mke2fs", "-q", "-t", "ext4", part)
	point := filepath.Join(t.TempDir(), "mounted here")
	if err := os.Mkdir(point, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(part, point, "ext4", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(point, unix.MNT_DETACH)
	refused(t, path, ErrBusy, filepath.Base(part)+" is mounted on "+point)
}

func TestSwapIsRefused(t *testing.T) {
	path, _ := looptest.New(t, 4<<20, looptest.Options{})
	run(t, "mkswap", path)
	run(t, "swapon", path)
	defer run(t, "swapoff", path)
	refused(t, path, ErrBusy, "swap")
}

func TestZeroAndWipe(t *testing.T) {
	for _, tc := range []struct {
		name              string
		noPunch, noZeroes bool
	}{{"punched", false, false}, {"zeroed", true, false}, {"written", true, true}} {
		t.Run(tc.name, func(t *testing.T) {
			const size = 8<<20 + 512
			path, file := looptest.New(t, size, looptest.Options{})
			d := open(t, path)
			full := bytes.Repeat([]byte{7}, size)
			fill := directio.Buffer(size)
			copy(fill, full)
			if _, err := d.WriteAt(fill, 0); err != nil {
				t.Fatal(err)
			}
			d.noPunch.Store(tc.noPunch)
			d.noZeroes.Store(tc.noZeroes)
			if err := d.Zero(t.Context(), 512, 3<<20); err != nil {
				t.Fatal(err)
			}
			clear(full[512 : 512+3<<20])
			if err := d.ProveZeroing(t.Context(), 5<<20, 64<<10); err != nil {
				t.Fatal(err)
			}
			clear(full[5<<20 : 5<<20+64<<10])
			if err := d.Wipe(1<<20, 1<<20); err != nil {
				t.Fatal(err)
			}
			clear(full[:1<<20])
			clear(full[size-1<<20:])
			got, err := os.ReadFile(file)
			if err != nil || !bytes.Equal(got, full) {
				t.Errorf("the disk is not what it should be (%v)", err)
			}
			if d.noPunch.Load() != tc.noPunch {
				t.Error("the kernel here cannot punch holes into loop devices")
			}
		})
	}
}

func TestWipeOfTinyDisk(t *testing.T) {
	path, _ := looptest.New(t, 1<<20+512, looptest.Options{})
	if err := open(t, path).Wipe(4<<20, 4<<20); err != nil {
		t.Fatal(err)
	}
}

// What the kernel knew of the old partitions is gone afterwards; that it then finds the new ones
// is seen where a kernel boots that knows partition tables.
func TestRereadTable(t *testing.T) {
	path, _ := looptest.New(t, 16<<20, looptest.Options{Partitions: true})
	run(t, "addpart", path, "3", "2048", "4096")
	before, err := System().Inspect(path)
	if want := []Partition{{filepath.Base(path) + "p3", 3, 1 << 20, 2 << 20}}; err != nil || !slices.Equal(before.Partitions, want) {
		t.Fatalf("%+v, %v", before.Partitions, err)
	}
	d := open(t, path)
	old, err := os.Open(path + "p3")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := d.RereadTable(ctx); !errors.Is(err, unix.EBUSY) {
		t.Errorf("while a partition is open: %v", err)
	}
	old.Close()
	if err := d.RereadTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	now, err := System().Inspect(path)
	if err != nil || len(now.Partitions) != 0 {
		t.Errorf("%+v, %v", now.Partitions, err)
	}
	plain, _ := looptest.New(t, 1<<20, looptest.Options{})
	if err := open(t, plain).RereadTable(t.Context()); err != nil {
		t.Errorf("a loop device without partition scanning: %v", err)
	}
}

// A disk that was taken out has no size any more; a loop device does the same when its file is cut.
func TestGone(t *testing.T) {
	path, file := looptest.New(t, 4<<20, looptest.Options{})
	d := open(t, path)
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.IoctlSetInt(int(f.Fd()), unix.LOOP_SET_CAPACITY, 0); err != nil {
		t.Fatal(err)
	}
	_, err = d.WriteAt(directio.Buffer(4096), 1<<20)
	for what, err := range map[string]error{"write": err, "zero": d.Zero(t.Context(), 1<<20, 4096), "wipe": d.Wipe(4096, 0)} {
		if err == nil || !strings.Contains(err.Error(), "the disk is gone") || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
