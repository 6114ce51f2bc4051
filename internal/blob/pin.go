package blob

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// pinFile is pins.json.
type pinFile struct {
	Version int      `json:"version"`
	Keys    []string `json:"keys"`
}

func (s *Store) pinPath() string { return filepath.Join(s.cfg.Dir, "pins.json") }

func (s *Store) loadPins() error {
	var p pinFile
	err := readJSON(s.pinPath(), &p)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, key := range p.Keys {
		s.pins[key] = true
	}
	return err
}

// Pin keeps what a source leads to, now and later, from being evicted.
func (s *Store) Pin(key string, pinned bool) error {
	s.disk.Lock()
	defer s.disk.Unlock()
	keys := s.pinsWith(key, pinned)
	if err := writeJSON(s.pinPath(), pinFile{Version: recordVersion, Keys: slices.Sorted(maps.Keys(keys))}); err != nil {
		return fmt.Errorf("write the pins: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pins = keys
	return nil
}

func (s *Store) pinsWith(key string, pinned bool) map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := maps.Clone(s.pins)
	delete(keys, key)
	if pinned {
		keys[key] = true
	}
	return keys
}

func (s *Store) pinned(e *entry) bool {
	for key := range e.Sources {
		if s.pins[key] {
			return true
		}
	}
	return false
}
