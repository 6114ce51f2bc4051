package builder

import (
	"fmt"
	"os"
	"path/filepath"
)

// staged is a file that is complete on disk under a temporary name.
type staged struct {
	name, temp string
	size       int64
}

func stage(name string, fill func(*os.File) error) (staged, error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return staged{}, err
	}
	s := staged{name: name, temp: f.Name()}
	err = finish(f, fill, &s.size)
	if err != nil {
		s.discard()
		return staged{}, fmt.Errorf("write %s: %w", name, err)
	}
	return s, nil
}

func finish(f *os.File, fill func(*os.File) error, size *int64) error {
	defer f.Close()
	if err := fill(f); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	*size = info.Size()
	// CreateTemp makes 0600; the web server runs as another user.
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

func (s staged) commit() error { return os.Rename(s.temp, s.name) }

// discard removes what was not committed.
func (s staged) discard() { os.Remove(s.temp) }
