package blob

import (
	"errors"
	"fmt"
	"time"

	"bty/internal/catalog"
)

// Bind records that a source leads to a blob that is held. It lasts from the next Flush on: a kill
// before costs nothing, because whoever declared the digest will declare it again. A blob that it led
// to before, and that no other source leads to, is kept for a while.
func (s *Store) Bind(key string, d catalog.Digest, src Source) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.held[d]
	if e == nil {
		return ErrNotHeld
	}
	s.bind(key, e, src)
	return nil
}

// bind is Bind for who holds mu.
func (s *Store) bind(key string, e *entry, src Source) {
	if old := s.held[s.bound[key]]; old != nil && old != e {
		s.supersede(key, old)
	}
	src.BoundAt = s.cfg.Now()
	e.Sources[key] = src
	e.Former, e.FormerAt = nil, time.Time{}
	e.dirty = true
	s.bound[key] = e.digest
	if len(e.Sources) > maxSources {
		if gone := s.expendable(e, key); gone != "" {
			s.unbind(gone, e)
		}
	}
}

// grace is how long a blob is kept that was superseded: machines still work by plans that name it.
const grace = 24 * time.Hour

// supersede takes a source from a blob because it leads to other bytes now.
func (s *Store) supersede(key string, e *entry) {
	src := e.Sources[key]
	delete(e.Sources, key)
	e.dirty = true
	if len(e.Sources) == 0 {
		e.Former, e.FormerAt = &src, s.cfg.Now()
	}
}

// expire forgets what was superseded long ago, unless somebody reads it.
func (s *Store) expire() {
	for _, e := range s.held {
		if e.Former != nil && e.leases == 0 && s.cfg.Now().Sub(e.FormerAt) > grace {
			s.forget(e)
		}
	}
}

// maxSources bounds how many addresses are known of the same bytes: a query makes another of each.
const maxSources = 256

// expendable is the address that goes when one is too much: the oldest that is not of the catalog, else
// the oldest. Never one that is pinned, nor the one that has just come.
func (s *Store) expendable(e *entry, fresh string) (gone string) {
	isListed := func(src Source) bool { return s.cfg.Listed != nil && s.cfg.Listed(src.Src) }
	worse := func(a, b Source) bool {
		if isListed(a) != isListed(b) {
			return isListed(b)
		}
		return a.BoundAt.Before(b.BoundAt)
	}
	for key, src := range e.Sources {
		if key != fresh && !s.pins[key] && (gone == "" || worse(src, e.Sources[gone])) {
			gone = key
		}
	}
	return gone
}

// unbind takes a source from a blob, and forgets the blob with the last one.
func (s *Store) unbind(key string, e *entry) {
	delete(s.bound, key)
	delete(e.Sources, key)
	e.dirty = true
	if len(e.Sources) == 0 {
		s.forget(e)
	}
}

// forget takes a blob out of what is held. Its files are deleted by the next clean.
func (s *Store) forget(e *entry) {
	delete(s.held, e.digest)
	s.trash = append(s.trash, e)
	for key := range e.Sources {
		if s.bound[key] == e.digest {
			delete(s.bound, key)
		}
	}
}

// clean deletes the files of blobs that were forgotten, the record first: a blob without one is an
// orphan, and never given to anybody. What cannot be deleted now is the next clean's: nothing counts
// its bytes any more, and the next start would have it again.
func (s *Store) clean() error {
	s.disk.Lock()
	defer s.disk.Unlock()
	s.mu.Lock()
	forgotten := s.trash
	s.trash = nil
	s.mu.Unlock()
	var errs []error
	for _, e := range forgotten {
		if s.holds(e.digest) { // fetched again meanwhile
			continue
		}
		path := s.path(e.digest)
		if err := errors.Join(removed(path+".json"), removed(path)); err != nil {
			errs = append(errs, fmt.Errorf("delete blob %s: %w", e.digest, err))
			s.discard(e)
		}
	}
	return errors.Join(errs...)
}

func (s *Store) discard(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trash = append(s.trash, e)
}

func (s *Store) holds(d catalog.Digest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[d] != nil
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

// Note changes what is known of a bound source, if it is still bound. It lasts from the next Flush
// on.
func (s *Store) Note(key string, change func(*Source)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.held[s.bound[key]]
	if e == nil {
		return
	}
	if src, ok := e.Sources[key]; ok {
		change(&src)
		e.Sources[key] = src
		e.dirty = true
	}
}

// Unbind forgets a source, and its blob if no other source leads there.
func (s *Store) Unbind(key string) error {
	s.mu.Lock()
	e := s.held[s.bound[key]]
	if e == nil {
		s.mu.Unlock()
		return ErrNotHeld
	}
	s.unbind(key, e)
	s.mu.Unlock()
	return s.Flush()
}

// Delete removes a blob, whatever leads to it.
func (s *Store) Delete(d catalog.Digest) error {
	s.mu.Lock()
	e := s.held[d]
	if e == nil {
		s.mu.Unlock()
		return ErrNotHeld
	}
	s.forget(e)
	s.mu.Unlock()
	return s.clean()
}
