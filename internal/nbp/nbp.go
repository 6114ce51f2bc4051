// Package nbp finds boot files: network boot programs (NBPs) and whatever else lies in the boot
// folder. Distributions give the same iPXE different names; a machine that asks for one of them
// gets the file, whichever distribution this host has.
package nbp

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"bty/internal/fault"
)

// AutoexecName is what an iPXE from 2021 on asks for beside its own program.
const AutoexecName = "autoexec.ipxe"

// SystemDirs returns the folders into which distributions put iPXE: Debian's, Fedora's.
func SystemDirs() []string { return []string{"/usr/lib/ipxe", "/usr/share/ipxe"} }

// Library is where boot files come from.
type Library struct {
	Boot   string   // the boot folder; it need not exist (yet)
	System []string // folders of the distribution's iPXE
}

// Open opens the regular file that name means: the one in the boot folder; else the same program
// under another distribution's name there; else the program in a system folder; else, in the same
// order, a program that can stand in for it. A request can reach nothing else. The error is a
// fault, Invalid or NotFound.
func (l Library) Open(name string) (*os.File, error) {
	clean, err := Clean(name)
	if err != nil {
		return nil, err
	}
	same, standIn := aliases(clean)
	f, err := l.inBoot(append([]string{clean}, same...))
	if f == nil && err == nil {
		f = l.inSystem(same)
	}
	if f == nil && err == nil {
		f, err = l.inBoot(standIn)
	}
	if f == nil && err == nil {
		f = l.inSystem(standIn)
	}
	if f == nil && err == nil {
		err = fault.New(fault.NotFound, "no such file: %s", clean)
	}
	return f, err
}

// inSystem returns the first of names, which are from our table and never the caller's string,
// that is in a folder of the distribution. Debian links some of them to /boot.
func (l Library) inSystem(names []string) *os.File {
	for _, dir := range l.System {
		for _, n := range names {
			if f, err := regular(os.OpenFile(filepath.Join(dir, n), os.O_RDONLY|unix.O_NONBLOCK, 0)); err == nil {
				return f
			}
		}
	}
	return nil
}

// inBoot returns the first of names that is in the boot folder, nil if none is. The folder is
// opened anew each time: it may appear, or be replaced, while we run.
func (l Library) inBoot(names []string) (*os.File, error) {
	root, err := os.OpenRoot(l.Boot)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fault.Wrap(fault.Internal, err, "the boot folder cannot be opened; see the journal")
	}
	defer root.Close()
	for _, n := range names {
		// O_NONBLOCK: opening a FIFO somebody left here must not hang.
		if f, err := regular(root.OpenFile(filepath.FromSlash(n), os.O_RDONLY|unix.O_NONBLOCK, 0)); err == nil {
			return f, nil
		} else if errors.Is(err, fs.ErrPermission) {
			return nil, fault.Wrap(fault.Internal, err, "%s cannot be read; see the journal", n)
		}
	}
	return nil, nil
}

// regular closes f again unless it is a regular file.
func regular(f *os.File, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// maxName is longer than any path that firmware sends (TFTP requests end at 512 bytes).
const maxName = 400

// Clean turns a name from the wire into a relative slash path without "." or "..". Firmware sends
// a leading slash or the backslashes of a Windows server; both are taken as meant.
func Clean(name string) (string, error) {
	slashed := strings.TrimLeft(strings.ReplaceAll(name, `\`, "/"), "/")
	cleaned := path.Clean(slashed)
	if len(name) > maxName || slashed == "" || !fs.ValidPath(cleaned) || cleaned == "." ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) ||
		hasParent(slashed) {
		return "", fault.New(fault.Invalid, "invalid name %q: it must be a file below the boot folder", limit(name))
	}
	return cleaned, nil
}

// hasParent refuses "a/../b" too: nobody who means well sends it.
func hasParent(slashed string) bool {
	for part := range strings.SplitSeq(slashed, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}

func limit(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
