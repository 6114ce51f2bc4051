package blob

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bty/internal/catalog"
)

// Note says what a partial blob is of, and how far it is known to be on the disk.
type Note struct {
	Version  int            `json:"version"`
	Key      string         `json:"key"`
	Src      string         `json:"src"`
	Declared catalog.Digest `json:"declared,omitzero"`
	Size     int64          `json:"size,omitempty"` // declared
	Rolling  bool           `json:"rolling,omitempty"`

	Total    int64     `json:"total,omitempty"` // as the origin says
	ETag     string    `json:"etag,omitempty"`
	Modified string    `json:"modified,omitempty"`
	Bytes    int64     `json:"bytes"` // that were synced
	Sum      uint32    `json:"sum"`   // their CRC-32C
	At       time.Time `json:"at"`
}

// Partial is a blob that grows.
type Partial struct {
	s    *Store
	id   string
	file *os.File

	note     Note  // of the last checkpoint
	reserved int64 // of the store's room
	written  int64
}

// Begin makes an empty partial blob. Before its first checkpoint it has no note, and a kill makes it
// an orphan: whoever reads it first does not wait for the disk.
func (s *Store) Begin(n Note) (*Partial, error) {
	p := &Partial{s: s, id: rand.Text(), note: n}
	f, err := create(p.path())
	if err != nil {
		return nil, err
	}
	p.file = f
	s.mu.Lock()
	defer s.mu.Unlock()
	s.partials[p.id] = p
	return p, nil
}

func create(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
}

// close is for when the store is closed, whoever writes.
func (p *Partial) close() error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.file.Close()
}

func (p *Partial) path() string { return filepath.Join(p.s.growing(), p.id) }

// loadPartial takes in what an earlier process left.
func (s *Store) loadPartial(name string) error {
	p := &Partial{s: s, id: name}
	if err := readJSON(p.path()+".json", &p.note); err != nil {
		return errors.Join(s.orphan(p.path()+".json", err.Error()), s.orphan(p.path(), "its note cannot be read"))
	}
	if p.note.Version > recordVersion {
		return nil
	}
	f, err := os.OpenFile(p.path(), os.O_RDWR, 0)
	if err != nil {
		return s.orphan(p.path()+".json", "its blob is not there")
	}
	p.file = f
	if info, err := f.Stat(); err != nil || info.Size() < p.note.Bytes {
		p.note.Bytes, p.note.Sum = 0, 0
	}
	p.written, p.reserved = p.note.Bytes, p.note.Bytes
	s.partials[name] = p
	return nil
}

// Partials are those that grow, or will.
func (s *Store) Partials() []*Partial {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*Partial
	for _, p := range s.partials {
		all = append(all, p)
	}
	return all
}

// Note is the last checkpoint.
func (p *Partial) Note() Note {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.note
}

// Rewind goes back to the last checkpoint: what came after it is not known to be what was received.
func (p *Partial) Rewind() (Note, error) {
	p.s.mu.Lock()
	n := p.note
	p.written = n.Bytes
	p.s.mu.Unlock()
	return n, p.file.Truncate(n.Bytes)
}

// Open returns a descriptor that reads what was written. It stays good when the blob is complete,
// or deleted.
func (p *Partial) Open() (*os.File, error) { return os.Open(p.path()) }

// Write appends.
func (p *Partial) Write(b []byte) (int, error) {
	n, err := p.file.WriteAt(b, p.written)
	p.s.mu.Lock()
	p.written += int64(n)
	p.s.mu.Unlock()
	return n, err
}

// Restart begins it anew, up to its next checkpoint without a note, and in another file: who reads the one
// that was, of a fetch that failed, must not get other bytes in the middle.
func (p *Partial) Restart(n Note) error {
	if err := errors.Join(removed(p.path()+".json"), removed(p.path())); err != nil {
		return err
	}
	f, err := create(p.path())
	if err != nil {
		return err
	}
	n.Bytes, n.Sum = 0, 0
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.file.Close() // nobody needs what it might not have written
	p.file, p.written, p.note = f, 0, n
	return nil
}

// Checkpoint makes the first n.Bytes last, and after them the note that says so.
func (p *Partial) Checkpoint(n Note) error {
	if err := p.sync(); err != nil {
		return fmt.Errorf("bring a growing blob to the disk: %w", err)
	}
	return p.save(n)
}

func (p *Partial) save(n Note) error {
	n.Version, n.At = recordVersion, p.s.cfg.Now()
	if err := writeJSON(p.path()+".json", n); err != nil {
		return fmt.Errorf("write the note of a growing blob: %w", err)
	}
	p.s.mu.Lock()
	p.note = n
	p.s.mu.Unlock()
	return nil
}

// Discard deletes it.
func (p *Partial) Discard() error {
	p.s.mu.Lock()
	delete(p.s.partials, p.id)
	p.s.mu.Unlock()
	p.file.Close() // nobody needs what it might not have written
	return errors.Join(removed(p.path()+".json"), removed(p.path()))
}
