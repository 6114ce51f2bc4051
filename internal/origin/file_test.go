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
)

func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "disk.img.gz")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{path, "file://" + path} {
		got, r, err := read(t, source, Options{Size: 7})
		if err != nil || string(got) != "content" || r.Size() != 7 || r.Name() != "disk.img.gz" {
			t.Errorf("%s: %q, %v", source, got, err)
		}
	}
	for source, want := range map[string]string{
		dir + "/nothing":      "no such file",
		dir:                   "is a directory",
		"ftp://host/disk.img": `scheme "ftp"`,
		"oras://ghcr.io/a/b":  "no tag or digest",
		"http:///disk.img":    "not a URL with a host",
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
