package origin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sys/unix"
)

func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "disk.img.gz")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{path, "file://" + path, "file://localhost" + path} {
		got, r, err := read(t, source, Options{Size: 7})
		if err != nil || string(got) != "content" || r.Size() != 7 || r.Name() != "disk.img.gz" {
			t.Errorf("%s: %q, %v", source, got, err)
		}
	}
	for source, want := range map[string]string{
		dir + "/nothing":       "no such file",
		dir:                    "is a directory",
		"ftp://host/disk.img":  `scheme "ftp"`,
		"oras://ghcr.io/a/b":   "no tag or digest",
		"http:///disk.img":     "not a URL with a host",
		"file://host/disk.img": "another machine",
	} {
		if _, _, err := read(t, source, quick()); !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", source, err, want)
		}
	}
	if _, _, err := read(t, path, Options{Size: 8}); !errors.Is(err, ErrLength) {
		t.Errorf("another declared size: %v", err)
	}
}

func TestStdin(t *testing.T) {
	for size, want := range map[int64]error{0: nil, 7: nil, 6: ErrLength, 8: ErrLength} {
		got, r, err := read(t, "-", Options{Stdin: strings.NewReader("content"), Size: size})
		if !errors.Is(err, want) {
			t.Fatalf("declared %d: %v", size, err)
		}
		if err == nil && (string(got) != "content" || r.Size() != -1) {
			t.Errorf("%q, size %d", got, r.Size())
		}
	}
}

func TestPipeIsCancelled(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	ctx, cancel := context.WithCancel(t.Context())
	p := &polled{ctx: ctx, f: in}
	out.Write([]byte("abc"))
	b := make([]byte, 3)
	if _, err := io.ReadFull(p, b); err != nil || !bytes.Equal(b, []byte("abc")) {
		t.Fatalf("%q, %v", b, err)
	}
	cancel()
	if _, err := p.Read(b); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}
}

// A file may change while it is read, and a pipe may end anywhere.
func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, size int) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pipe := func(name string, size int) string {
		path := filepath.Join(dir, name)
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		go os.WriteFile(path, make([]byte, size), 0o600)
		return path
	}
	shrinks, grows := file("shrinks", 1000), file("grows", 1000)
	for name, tc := range map[string]struct {
		source  string
		size    int64
		stdin   io.Reader
		between func() error // opening and reading
		gives   int
		err     error
	}{
		"empty":               {source: file("empty", 0)},
		"shrinks":             {source: shrinks, between: func() error { return os.Truncate(shrinks, 10) }, err: ErrLength},
		"grows":               {source: grows, between: func() error { return os.Truncate(grows, 2000) }, err: ErrLength},
		"removed":             {source: file("removed", 1000), between: func() error { return os.Remove(filepath.Join(dir, "removed")) }, gives: 1000},
		"pipe":                {source: pipe("pipe", 1000), gives: 1000},
		"pipe, declared":      {source: pipe("declared", 1000), size: 1000, gives: 1000},
		"pipe ends early":     {source: pipe("early", 999), size: 1000, err: ErrLength},
		"pipe goes on":        {source: pipe("late", 1001), size: 1000, err: ErrLength},
		"endless device":      {source: "/dev/zero", size: 1000, err: ErrLength},
		"endless input":       {source: "-", stdin: endless{}, size: 1000, err: ErrLength},
		"failing input":       {source: "-", stdin: iotest.ErrReader(io.ErrUnexpectedEOF), err: io.ErrUnexpectedEOF},
		"input a byte a time": {source: "-", stdin: iotest.OneByteReader(strings.NewReader("content")), size: 7, gives: 7},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			r, err := Open(ctx, tc.source, Options{Size: tc.size, Stdin: tc.stdin})
			var got []byte
			if err == nil {
				defer r.Close()
				if tc.between != nil {
					err = tc.between()
				}
			}
			if err == nil {
				got, err = io.ReadAll(r)
			}
			if !errors.Is(err, tc.err) || err == nil && len(got) != tc.gives {
				t.Errorf("%d bytes, %v; want %d, %v", len(got), err, tc.gives, tc.err)
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
