package release

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"

	"bty/internal/fault"
)

// Shelf puts files into the boot folder. A file appears under its name when it is whole and on
// the disk. Files that belong together change together: a crash at any point leaves all of the old
// ones or all of the new ones, once Recover has run.
type Shelf struct {
	Root  *os.Root
	Path  string // of Root, for messages
	Limit int64  // bytes that one file may have

	mu sync.Mutex // one switch at a time
}

// Recover finishes a switch that was decided when the process ended, and removes what never was.
// Nothing else may use the shelf yet.
func (s *Shelf) Recover() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.finish(); err != nil {
		return fmt.Errorf("finish the last change of the boot folder: %w", err)
	}
	names, err := readNames(s.Root)
	for _, name := range names {
		if IsOwn(name) || isOldPartial(name) {
			err = errors.Join(err, s.Root.RemoveAll(name))
		}
	}
	return err
}

// isOldPartial reports whether a name is that of an upload that was interrupted under a release
// before this one.
func isOldPartial(name string) bool {
	return strings.HasPrefix(name, ".upload-") && strings.HasSuffix(name, ".partial")
}

// Delete removes one boot file.
func (s *Shelf) Delete(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := s.Root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENAMETOOLONG):
		return fault.New(fault.NotFound, "no such file: %s", name)
	case err != nil:
		return err
	case info.IsDir():
		return isFolder(name)
	}
	if err := s.Root.Remove(name); err != nil {
		return fmt.Errorf("delete boot file %s: %w", name, err)
	}
	return syncDir(s.Root)
}

func isFolder(name string) error {
	return fault.New(fault.Conflict, "%s is a folder in the boot folder; it was left as it is", name)
}

func readNames(root *os.Root) ([]string, error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Readdirnames(-1)
}

// syncDir makes the names in a folder last.
func syncDir(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// storeFault turns what the file system says into what the operator can do.
func (s *Shelf) storeFault(err error, name string) error {
	if err == nil {
		return nil
	}
	if _, known := errors.AsType[*fault.Error](err); known {
		return err
	}
	switch {
	case errors.Is(err, syscall.ENAMETOOLONG):
		return fault.Wrap(fault.Invalid, err, "invalid name '%.20s...': it is too long for a file name", name)
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.Unavailable, err, "the boot folder %s was removed while bty-web runs; restart bty-web, which makes it again", s.Path)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Wrap(fault.Full, err, "the disk of the boot folder is full; %s was not stored. Free space in %s and try again", name, s.Path)
	}
	return fmt.Errorf("store boot file %s: %w", name, err)
}
