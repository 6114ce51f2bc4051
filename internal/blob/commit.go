package blob

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"bty/internal/catalog"
)

func (p *Partial) sync() error {
	for {
		if err := unix.Fdatasync(int(p.file.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Commit makes a proven partial a complete blob. The order is: its bytes, its record, its name.
// A record without a blob is removed at the next start, and the partial that is still there is
// taken up again; so at no moment does a power cut cost what was received.
func (p *Partial) Commit(d catalog.Digest, src Source, mediaType string) error {
	if err := p.file.Sync(); err != nil {
		return fmt.Errorf("bring blob %s to the disk: %w", d, err)
	}
	s := p.s
	s.disk.Lock()
	err := s.enter(p, d, src, mediaType)
	s.disk.Unlock()
	if err != nil {
		return err
	}
	_ = s.clean() // the blob is held, and the next one says what is in the way
	return p.Discard()
}

// enter gives a blob its record and its name. One that is held already gets one more source.
func (s *Store) enter(p *Partial, d catalog.Digest, src Source, mediaType string) error {
	key := p.note.Key
	s.mu.Lock()
	e := s.held[d]
	if e != nil {
		s.bind(key, e, src)
	}
	now := s.cfg.Now()
	s.mu.Unlock()
	if e != nil {
		return s.save(e)
	}
	src.BoundAt = now
	e = &entry{digest: d, record: record{Version: recordVersion, Size: p.written, Type: mediaType, Sources: map[string]Source{key: src}, FetchedAt: now, UsedAt: now, ProvenAt: now}}
	if err := s.name(p, e); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[d] = e
	delete(s.partials, p.id) // now it is counted as a blob
	s.bind(key, e, src)
	return nil
}

func (s *Store) name(p *Partial, e *entry) error {
	path := s.path(e.digest)
	if err := writeJSON(path+".json", e.record); err != nil {
		return fmt.Errorf("write the record of blob %s: %w", e.digest, err)
	}
	err := os.Rename(p.path(), path)
	if err == nil {
		err = syncDir(s.blobs())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("name blob %s: %w", e.digest, err), removed(path+".json"), removed(path))
	}
	return nil
}
