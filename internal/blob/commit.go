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
	s.mu.Lock()
	defer s.mu.Unlock()
	key := p.note.Key
	old, had := s.bound[key]
	src.BoundAt = s.cfg.Now()
	if err := s.enter(p, d, src, mediaType); err != nil {
		return err
	}
	s.bound[key] = d
	var err error
	if had && old != d {
		err = s.release(key, old)
	}
	return errors.Join(err, p.forget())
}

// enter gives a blob its record and its name. One that is held already gets one more source.
func (s *Store) enter(p *Partial, d catalog.Digest, src Source, mediaType string) error {
	if e := s.held[d]; e != nil {
		e.Sources[p.note.Key] = src
		return s.save(e)
	}
	e := &entry{digest: d, record: record{Size: p.written, Type: mediaType, Sources: map[string]Source{p.note.Key: src}, FetchedAt: src.BoundAt, UsedAt: src.BoundAt}}
	if err := s.save(e); err != nil {
		return err
	}
	if err := os.Rename(p.path(), s.path(d)); err != nil {
		return errors.Join(fmt.Errorf("name blob %s: %w", d, err), removed(s.path(d)+".json"))
	}
	s.held[d] = e
	return syncDir(s.blobs())
}
