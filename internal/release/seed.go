package release

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Seed copies the files of a folder into the boot folder. A file that is there already stays as it
// is. It returns the names that were copied.
func (s *Shelf) Seed(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("seed the boot folder: %w", err)
	}
	var copied []string
	for _, e := range entries {
		name := e.Name()
		info, err := os.Stat(filepath.Join(dir, name)) // what a link leads to
		if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(name, ".") {
			continue
		}
		if _, err := s.Root.Lstat(name); err == nil {
			continue
		}
		if err := s.seedOne(filepath.Join(dir, name), name); errors.Is(err, fs.ErrExist) {
			continue // somebody put it there in the meantime
		} else if err != nil {
			return copied, fmt.Errorf("seed the boot folder with %s: %w", filepath.Join(dir, name), err)
		}
		copied = append(copied, name)
	}
	return copied, nil
}

func (s *Shelf) seedOne(path, name string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	staging, err := s.Stage()
	if err != nil {
		return err
	}
	_, err = staging.Receive(name, file)
	if err == nil {
		err = s.Root.Link(staging.dir+"/"+name, name) // unlike a rename it never overwrites
	}
	return errors.Join(err, staging.Discard(), syncDir(s.Root))
}
