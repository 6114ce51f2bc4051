package blob

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bty/internal/catalog"
)

// Bind records that a source leads to a blob that is held. A blob that no source leads to any
// more is deleted; who reads it keeps it to the end.
func (s *Store) Bind(key string, d catalog.Digest, src Source) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.held[d]
	if e == nil {
		return ErrNotHeld
	}
	old, had := s.bound[key]
	now := s.cfg.Now()
	src.BoundAt = now
	e.Sources[key] = src
	s.bound[key] = d
	err := s.save(e)
	if had && old != d {
		err = errors.Join(err, s.release(key, old))
	}
	return err
}

// Source is what is known of a source that leads to a blob.
func (s *Store) Source(key string) (Source, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.held[s.bound[key]]; e != nil {
		src, ok := e.Sources[key]
		return src, ok
	}
	return Source{}, false
}

// Note changes what is known of a bound source.
func (s *Store) Note(key string, change func(*Source)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.held[s.bound[key]]
	if e == nil {
		return ErrNotHeld
	}
	src, ok := e.Sources[key]
	if !ok {
		return ErrNotHeld
	}
	change(&src)
	e.Sources[key] = src
	return s.save(e)
}

// Unbind forgets a source, and its blob if no other source leads there.
func (s *Store) Unbind(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.bound[key]
	if !ok {
		return ErrNotHeld
	}
	delete(s.bound, key)
	return s.release(key, d)
}

func (s *Store) release(key string, d catalog.Digest) error {
	e := s.held[d]
	if e == nil {
		return nil
	}
	delete(e.Sources, key)
	if len(e.Sources) == 0 {
		return s.drop(e)
	}
	return s.save(e)
}

// Delete removes a blob, whatever leads to it.
func (s *Store) Delete(d catalog.Digest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.held[d]
	if e == nil {
		return ErrNotHeld
	}
	return s.drop(e)
}

// drop removes the record first: a blob without one is an orphan, and never given to anybody.
func (s *Store) drop(e *entry) error {
	delete(s.held, e.digest)
	for key := range e.Sources {
		if s.bound[key] == e.digest {
			delete(s.bound, key)
		}
	}
	path := s.path(e.digest)
	if err := errors.Join(removed(path+".json"), removed(path)); err != nil {
		return fmt.Errorf("delete blob %s: %w", e.digest, err)
	}
	return nil
}

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
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.pins[key]
	if was == pinned {
		return nil
	}
	if pinned {
		s.pins[key] = true
	} else {
		delete(s.pins, key)
	}
	p := pinFile{Version: recordVersion}
	for key := range s.pins {
		p.Keys = append(p.Keys, key)
	}
	if err := writeJSON(s.pinPath(), p); err != nil {
		if delete(s.pins, key); was {
			s.pins[key] = true
		}
		return fmt.Errorf("write the pins: %w", err)
	}
	return nil
}

func (s *Store) pinned(e *entry) bool {
	for key := range e.Sources {
		if s.pins[key] {
			return true
		}
	}
	return false
}
