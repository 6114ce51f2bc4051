package blob

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bty/internal/catalog"
)

// load reads what the folder has. What belongs to nothing is removed: it would take space for ever.
func (s *Store) load() error {
	if err := errors.Join(s.loadPins(), s.sweep()); err != nil {
		return err
	}
	if err := s.each(s.blobs(), s.loadBlob); err != nil {
		return err
	}
	return s.each(s.growing(), s.loadPartial)
}

// sweep removes what a kill has left of writing the pins.
func (s *Store) sweep() error {
	left, err := filepath.Glob(filepath.Join(s.cfg.Dir, tempPattern))
	for _, path := range left {
		err = errors.Join(err, removed(path))
	}
	return err
}

// each looks at the files of a folder that have no record beside them as orphans, at the others
// by the name that both share.
func (s *Store) each(dir string, look func(name string) error) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		name, isRecord := strings.CutSuffix(f.Name(), ".json")
		if isRecord {
			err = look(name)
		} else if _, missing := os.Lstat(filepath.Join(dir, name+".json")); errors.Is(missing, fs.ErrNotExist) && !f.IsDir() {
			err = s.orphan(filepath.Join(dir, name), "no record names it")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) orphan(path, why string) error {
	s.cfg.Log.Info("a file of the cache that belongs to nothing is removed", "file", path, "reason", why)
	return removed(path)
}

func (s *Store) loadBlob(name string) error {
	path := filepath.Join(s.blobs(), name)
	d, err := catalog.ParseDigest(name)
	if err != nil || d.String() != name {
		return s.orphan(path+".json", "its name is no digest")
	}
	var r record
	if err := readJSON(path+".json", &r); err != nil {
		return errors.Join(s.orphan(path+".json", err.Error()), s.orphan(path, "its record cannot be read"))
	}
	info, err := os.Lstat(path)
	switch {
	case r.Version > recordVersion:
		return nil // a newer bty-cache's; it is left alone
	case err != nil || !info.Mode().IsRegular():
		return s.orphan(path+".json", "its blob is not there")
	case info.Size() != r.Size:
		return errors.Join(s.orphan(path, "it does not have its length"), s.orphan(path+".json", "its blob does not have its length"))
	}
	s.adopt(&entry{record: r, digest: d})
	return nil
}

// adopt takes in a blob. Of two that claim a source, the later claim holds.
func (s *Store) adopt(e *entry) {
	s.held[e.digest] = e
	if e.Sources == nil {
		e.Sources = map[string]Source{}
	}
	for key, src := range e.Sources {
		if other, taken := s.bound[key]; taken && other != e.digest {
			rival := s.held[other]
			if rival.Sources[key].BoundAt.After(src.BoundAt) {
				s.supersede(key, e)
				continue
			}
			s.supersede(key, rival)
		}
		s.bound[key] = e.digest
	}
}
