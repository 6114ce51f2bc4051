package release

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/fault"
	"bty/internal/ledger"
	"bty/internal/nbp"
)

// kernel is a file that says its version as a bzImage does.
func kernel(version string) string {
	b := make([]byte, 0x1000)
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x20e:], 0x400)
	b[0x236] = 1
	copy(b[0x600:], version+" (nobody) #1\x00")
	return string(b)
}

// newFiles are the use cases over a folder, without a database: what they tell is lost.
func newFiles(t *testing.T, dir string) *Files {
	t.Helper()
	shelf := newShelf(t, dir)
	shelf.Limit = 1 << 20
	f := NewFiles(FilesConfig{Shelf: shelf, Folder: Folder{Root: shelf.Root, Version: version}, Programs: nbp.Library{Boot: dir},
		Book: ledger.Book{Store: noStore{}, Ledger: ledger.New(slog.New(slog.DiscardHandler))}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	return f
}

// noStore is a database whose disk is full.
type noStore struct{}

func (noStore) View(func(ledger.Tx) error) error { return errors.New("no database") }
func (noStore) Update(context.Context, func(ledger.Tx) error) error {
	return errors.New("the disk is full")
}

// run starts reading the files until the test ends.
func (f *Files) run(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func sources(files ...[2]string) Source {
	return func() (string, io.Reader, error) {
		if len(files) == 0 {
			return "", nil, io.EOF
		}
		next := files[0]
		files = files[1:]
		return next[0], strings.NewReader(next[1]), nil
	}
}

func TestInstalledIsKnownAtOnce(t *testing.T) {
	f := newFiles(t, t.TempDir())
	if s := f.Status(); s.IsReady() || s.Live[0].Missing != "bty-live-x86_64.vmlinuz" || s.Programs[0].Advice == "" {
		t.Errorf("%+v", s)
	}
	stored, err := f.Install(t.Context(), sources([2]string{"bty-live-x86_64.vmlinuz", kernel("6.1.0-7")}, [2]string{"bty-live-x86_64.initrd", "initrd"}, [2]string{"ipxe.efi", "MZ"}), netip.Addr{})
	if err != nil || len(stored) != 3 {
		t.Fatalf("%+v %v", stored, err)
	}
	s := f.Status() // nothing is read in the background: Run does not run
	live := s.Live[0]
	if !s.IsReady() || live.Maker != Ours || live.Kernel != "6.1.0-7" || live.Bytes() != 0x1000+6 || live.At().IsZero() || !live.Files[0].Known || live.Files[0].SHA256 != stored[0].SHA256 {
		t.Errorf("%+v", live)
	}
}

// What is put into the folder by hand is read in the background, and again when it has changed.
func TestFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"bty-live-arm64.vmlinuz": strings.Repeat("\x00", 56) + "ARM\x64" + "Linux version %s\x00Linux version 6.2.0 (x)\x00", planName: "{}"})
	f := newFiles(t, dir)
	f.run(t)
	await := func(says string, is func(File) bool) {
		t.Helper()
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			files, err := f.List()
			if err != nil || len(files) != 1 {
				t.Fatalf("%+v %v", files, err)
			}
			if is(files[0]) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %+v", says, files[0])
			}
		}
	}
	var first string
	await("it is read", func(file File) bool { first = file.SHA256; return file.Known && file.Kernel == "6.2.0" })
	if err := os.WriteFile(filepath.Join(dir, "bty-live-arm64.vmlinuz"), []byte("no kernel"), 0o644); err != nil {
		t.Fatal(err)
	}
	await("it is read again", func(file File) bool { return file.Known && file.SHA256 != first && file.Kernel == "" })
}

func TestUploadsAreBounded(t *testing.T) {
	f := newFiles(t, t.TempDir())
	many := make([][2]string, maxSet+1)
	for i := range many {
		many[i] = [2]string{strings.Repeat("x", i+1), ""}
	}
	for _, next := range []Source{sources(many...), func() (string, io.Reader, error) { return "", nil, fault.New(fault.TooLarge, "cut") }} {
		if _, err := f.Upload(t.Context(), next, netip.Addr{}); fault.KindOf(err) != fault.TooLarge {
			t.Error(err)
		}
	}
	if _, err := f.Upload(t.Context(), sources(), netip.Addr{}); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
	if _, err := f.Put(t.Context(), "a", 1<<30, strings.NewReader(""), netip.Addr{}); fault.KindOf(err) != fault.TooLarge {
		t.Error(err)
	}
	// A change that cannot be told has happened all the same.
	if _, err := f.Put(t.Context(), "a", 1, strings.NewReader("x"), netip.Addr{}); err != nil {
		t.Error(err)
	}
	if err := f.Delete(t.Context(), "a", netip.Addr{}); err != nil {
		t.Error(err)
	}
	if files, err := f.List(); err != nil || len(files) != 0 {
		t.Errorf("%+v %v", files, err)
	}
}
