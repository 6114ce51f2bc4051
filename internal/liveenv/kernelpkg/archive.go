package kernelpkg

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/cavaliergopher/cpio"
)

// What a package may bring, many times what any does.
const (
	maxBytes = 8 << 30
	maxFiles = 200_000
)

// entry is one regular file of an archive.
type entry struct {
	name string
	size int64
	body io.Reader
}

func eachTar(r io.Reader, fn func(entry) error) error {
	archive := tar.NewReader(r)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := fn(entry{h.Name, h.Size, archive}); err != nil {
			return err
		}
	}
}

func eachCPIO(r io.Reader, fn func(entry) error) error {
	archive := cpio.NewReader(r)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !h.Mode.IsRegular() {
			continue
		}
		if err := fn(entry{h.Name, h.Size, archive}); err != nil {
			return err
		}
	}
}

// room is where files go, and how much more may come.
type room struct {
	root  *os.Root
	bytes int64
	files int
}

// take writes an entry if it is part of a kernel.
func (m *room) take(e entry) error {
	name, wanted := place(e.name)
	if !wanted {
		return nil
	}
	m.files--
	if m.bytes -= e.size; m.bytes < 0 || m.files < 0 {
		return fmt.Errorf("it holds more than %d files or %d bytes of a kernel; that is none", maxFiles, int64(maxBytes))
	}
	if err := m.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := m.root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, e.body)
	return errors.Join(err, file.Close())
}

// place is where a file of a package goes: /usr/lib and /lib are one.
func place(name string) (string, bool) {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	name = strings.TrimPrefix(name, "usr/")
	switch {
	case strings.HasPrefix(name, "boot/vmlinuz-"), strings.HasPrefix(name, "lib/modules/"):
		return name, true
	}
	return "", false
}
