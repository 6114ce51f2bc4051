package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bty/internal/disk/looptest"

	"golang.org/x/sys/unix"
)

func numberOf(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Rdev
}

// once makes file a pipe that gives text to its first reader, who waits until do has returned;
// whoever reads it later gets after.
func once(t *testing.T, file, text, after string, do func() error) {
	t.Helper()
	_ = os.Remove(file)
	if err := unix.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	next := filepath.Join(t.TempDir(), "next")
	if err := os.WriteFile(next, []byte(after), 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		w, err := os.OpenFile(file, os.O_WRONLY, 0) // waits for the reader
		if err != nil {
			t.Error(err)
			return
		}
		if err := errors.Join(do(), os.Rename(next, file)); err != nil {
			t.Error(err)
		}
		_, _ = w.WriteString(text)
		w.Close()
	}()
}

// Between the look at a disk and its opening, another one may get its name, or its number.
func TestDiskIsSwappedWhileItIsOpened(t *testing.T) {
	first, _ := looptest.New(t, 1<<20, looptest.Options{})
	second, _ := looptest.New(t, 1<<20, looptest.Options{})
	number := numberOf(t, first)
	prepare := func() (Host, string, string) {
		h := tree(t, map[string]string{
			"sys/block/vda/size": "2048\n", "sys/block/vda/serial": "ONE\n", "sys/block/vda/ro": "0\n",
			fmt.Sprintf("sys/dev/block/%d:%d ->", unix.Major(number), unix.Minor(number)): "../../block/vda",
		})
		path := filepath.Join(t.TempDir(), "vda")
		if err := unix.Mknod(path, unix.S_IFBLK|0o600, int(number)); err != nil {
			t.Fatal(err)
		}
		return h, filepath.Join(h.Sys, "block/vda"), path
	}

	h, dir, path := prepare()
	once(t, filepath.Join(dir, "ro"), "0\n", "0\n", func() error {
		other := path + ".new"
		return errors.Join(unix.Mknod(other, unix.S_IFBLK|0o600, int(numberOf(t, second))), os.Rename(other, path))
	})
	if d, err := h.Open(path); !errors.Is(err, ErrNoDisk) || !strings.Contains(err.Error(), "became another disk") {
		t.Errorf("another disk has the name: %+v, %v", d, err)
	}

	h, dir, path = prepare()
	once(t, filepath.Join(dir, "serial"), "ONE\n", "TWO\n", func() error { return nil })
	d, err := h.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Serial != "TWO" {
		t.Errorf("another disk has the number: it is taken for %q", d.Serial)
	}
}
