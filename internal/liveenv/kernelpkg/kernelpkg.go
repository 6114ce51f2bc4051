// Package kernelpkg takes a kernel and its modules out of the packages that distributions ship them
// in. The distribution's own tools read the packages (dpkg-deb, rpm2cpio); nothing is installed and
// no script of a package runs.
package kernelpkg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// Kernel is what was found.
type Kernel struct {
	File    string // vmlinuz
	Modules string // lib/modules/<version>
}

// Unpack writes what a live environment needs of packages into dir, which must exist. Some
// distributions split a kernel over several packages: name them all.
func Unpack(ctx context.Context, dir string, packages ...string) (Kernel, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Kernel{}, err
	}
	defer root.Close()
	room := &room{root: root, bytes: maxBytes, files: maxFiles}
	for _, file := range packages {
		if err := unpack(ctx, room, file); err != nil {
			return Kernel{}, fmt.Errorf("kernel package %s: %w", file, err)
		}
	}
	return find(dir, packages)
}

// reader is the tool that turns a kind of package into an archive, and what reads that.
type reader struct {
	tool    string
	args    []string
	install string // how to get the tool
	each    func(io.Reader, func(entry) error) error
}

func readerFor(file string) (reader, error) {
	f, err := os.Open(file)
	if err != nil {
		return reader{}, err
	}
	defer f.Close()
	magic := make([]byte, 8)
	if _, err := io.ReadFull(f, magic); err != nil {
		return reader{}, fmt.Errorf("it is no package: %w", err)
	}
	switch {
	case string(magic) == "!<arch>\n":
		return reader{"dpkg-deb", []string{"--fsys-tarfile", file}, "install dpkg", eachTar}, nil
	case string(magic[:4]) == "\xed\xab\xee\xdb":
		return reader{"rpm2cpio", []string{file}, "install rpm2cpio (Debian) or rpm", eachCPIO}, nil
	}
	return reader{}, errors.New("it is neither a .deb nor an .rpm")
}

func unpack(ctx context.Context, room *room, file string) error {
	r, err := readerFor(file)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a package that is refused is not read to its end
	cmd := exec.CommandContext(ctx, r.tool, r.args...)
	var said limited
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%s is needed to read it: %s", r.tool, r.install)
	} else if err != nil {
		return err
	}
	readErr := r.each(out, room.take)
	if readErr == nil {
		_, readErr = io.Copy(io.Discard, out)
	} else {
		cancel()
	}
	waitErr := cmd.Wait()
	if said.b.Len() > 0 && waitErr != nil && (readErr == nil || errors.Is(readErr, io.ErrUnexpectedEOF) || errors.Is(readErr, io.EOF)) {
		return fmt.Errorf("%s: %s", r.tool, strings.TrimSpace(said.b.String()))
	}
	return errors.Join(readErr, ifWhole(readErr, waitErr))
}

// ifWhole drops what the tool says about being cut off by us.
func ifWhole(readErr, waitErr error) error {
	if readErr != nil {
		return nil
	}
	return waitErr
}

// limited keeps the beginning of what a tool says.
type limited struct{ b strings.Builder }

func (l *limited) Write(p []byte) (int, error) {
	if left := 2000 - l.b.Len(); left > 0 {
		l.b.Write(p[:min(left, len(p))])
	}
	return len(p), nil
}

// find looks for exactly one kernel and the modules of its version.
func find(dir string, packages []string) (Kernel, error) {
	var kernels []string
	for _, pattern := range []string{"boot/vmlinuz-*", "lib/modules/*/vmlinuz"} {
		matches, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return Kernel{}, err
		}
		kernels = append(kernels, matches...)
	}
	switch len(kernels) {
	case 0:
		return Kernel{}, fmt.Errorf("no kernel in %s: packages like linux-image-amd64 or kernel only name another one that has it (linux-image-<version>, kernel-core)", strings.Join(packages, ", "))
	case 1:
	default:
		return Kernel{}, fmt.Errorf("%d kernels in %s; give the packages of one version", len(kernels), strings.Join(packages, ", "))
	}
	trees, err := filepath.Glob(filepath.Join(dir, "lib/modules/*/kernel"))
	if err != nil {
		return Kernel{}, err
	}
	if len(trees) != 1 {
		return Kernel{}, fmt.Errorf("modules of %d kernels in %s; give the packages of one version, that with the modules among them (linux-modules-<version>, kernel-modules-core)", len(trees), strings.Join(packages, ", "))
	}
	return Kernel{File: kernels[0], Modules: path.Dir(trees[0])}, nil
}
