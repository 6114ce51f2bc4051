package deploy

import (
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// untilWritten is the list of files as a run begins: those that an earlier run wrote are still what they
// were then. If this one is cut off before it writes them, they must not look like edited ones.
func untilWritten(files []Written, was *Record) []Written {
	files = slices.Clone(files)
	if was == nil {
		return files
	}
	for i, f := range files {
		known := slices.IndexFunc(was.Files, func(w Written) bool { return w.Path == f.Path })
		if known >= 0 && was.Files[known].Digest != "" {
			files[i].Digest = was.Files[known].Digest
		}
	}
	return files
}

// lock keeps a second run away from a deployment's folder until this one, or its process, has ended.
func (e *Engine) lock(dir string) error {
	if e.held != nil {
		return nil
	}
	var err error
	e.held, err = hold(e.path(dir), dir)
	return err
}

func hold(path, dir string) (*os.File, error) {
	folder, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		folder.Close()
		return nil, fmt.Errorf("another bty-lab works on %s (%w); wait until it has ended", dir, err)
	}
	return folder, nil
}

// Lock is for an upgrade: until it has ended no deploy and no purge is at work in the same folder.
func Lock(dir string) (unlock func(), err error) {
	folder, err := hold(dir, dir)
	if err != nil {
		return nil, err
	}
	return func() { folder.Close() }, nil
}

func (e *Engine) unlock() {
	if e.held != nil {
		e.held.Close()
		e.held = nil
	}
}
