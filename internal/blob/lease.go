package blob

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"syscall"
	"time"

	"bty/internal/catalog"
	"bty/internal/message"
)

// Info is what is known of a complete blob.
type Info struct {
	Digest    catalog.Digest
	Size      int64
	Type      string
	Sources   []Source // by address
	Former    *Source  // where no address leads here any more: the last that did
	Pinned    bool
	Reads     int64
	Sent      int64
	FetchedAt time.Time
	UsedAt    time.Time
}

// Lease keeps a blob from being evicted while somebody reads it.
type Lease struct {
	Info
	s *Store
	e *entry
}

// Find is the blob that a source's key leads to.
func (s *Store) Find(key string) (catalog.Digest, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.bound[key]
	return d, ok
}

// Info is what is known of a blob that is held.
func (s *Store) Info(d catalog.Digest) (Info, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.held[d]; e != nil {
		return s.info(e), true
	}
	return Info{}, false
}

// Lease opens a blob for one reader, who must call Close on both. A blob whose file somebody
// took away is forgotten.
func (s *Store) Lease(d catalog.Digest) (*Lease, *os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.held[d]
	if e == nil {
		return nil, nil, ErrNotHeld
	}
	f, err := s.openWhole(e)
	if isOurs(err) {
		return nil, nil, err
	}
	if err != nil {
		s.cfg.Log.Warn("a blob is not as it was written; it is fetched again when somebody asks", message.BlobDamaged, "blob", d, "err", err)
		s.forget(e)
		return nil, nil, ErrNotHeld
	}
	return s.lease(e), f, nil
}

// isOurs reports whether an error says something of this process or this host, and nothing of the
// file: who has no descriptor left must not take a good blob for a lost one.
func isOurs(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}

func (s *Store) openWhole(e *entry) (*os.File, error) {
	f, err := os.Open(s.path(e.digest))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() == e.Size {
		return f, nil
	}
	if err == nil {
		err = fmt.Errorf("it has %d bytes instead of %d", info.Size(), e.Size)
	}
	return nil, errors.Join(err, f.Close())
}

// Join is Lease for a reader who has the file open already.
func (s *Store) Join(d catalog.Digest) *Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.held[d]; e != nil {
		return s.lease(e)
	}
	return nil
}

// Count adds those who read a blob while it grew.
func (s *Store) Count(d catalog.Digest, reads, sent int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.held[d]; e != nil {
		e.Reads += reads
		e.Sent += sent
		e.dirty = true
	}
}

func (s *Store) lease(e *entry) *Lease {
	e.leases++
	e.Reads++
	e.UsedAt = s.cfg.Now()
	e.dirty = true
	return &Lease{Info: s.info(e), s: s, e: e}
}

// Doubt says that the blob could not be read. It is proven next, whoever reads it then: else each reader would find out
// in vain until its time comes.
func (l *Lease) Doubt() {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.e.doubted = true
}

// Close gives the lease back; sent is how much of the blob was read.
func (l *Lease) Close(sent int64) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.e.leases--
	l.e.Sent += sent
	l.e.UsedAt = l.s.cfg.Now()
	l.e.dirty = true
}

func (s *Store) info(e *entry) Info {
	i := Info{Digest: e.digest, Size: e.Size, Type: e.Type, Reads: e.Reads, Sent: e.Sent, FetchedAt: e.FetchedAt, UsedAt: e.UsedAt, Pinned: s.pinned(e), Former: e.Former}
	for _, key := range slices.Sorted(maps.Keys(e.Sources)) {
		i.Sources = append(i.Sources, e.Sources[key])
	}
	return i
}

// List returns all complete blobs, the one used last first.
func (s *Store) List() []Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Info
	for _, e := range s.held {
		all = append(all, s.info(e))
	}
	slices.SortFunc(all, func(a, b Info) int { return b.UsedAt.Compare(a.UsedAt) })
	return all
}

// Flush deletes what was forgotten and writes the records that have changed.
func (s *Store) Flush() error {
	cleaned := s.clean()
	s.mu.Lock()
	var changed []*entry
	for _, e := range s.held {
		if e.dirty {
			changed = append(changed, e)
		}
	}
	s.mu.Unlock()
	s.disk.Lock()
	defer s.disk.Unlock()
	errs := []error{cleaned}
	for _, e := range changed {
		errs = append(errs, s.save(e))
	}
	return errors.Join(errs...)
}

// save writes the record of a blob that is still held. The caller holds disk.
func (s *Store) save(e *entry) error {
	s.mu.Lock()
	e.Version = recordVersion
	raw, err := json.Marshal(e.record)
	gone := s.held[e.digest] != e
	e.dirty = false
	s.mu.Unlock()
	if gone || err != nil {
		return err
	}
	if err := replace(s.path(e.digest)+".json", raw); err != nil {
		s.touch(e)
		return fmt.Errorf("write the record of blob %s: %w", e.digest, err)
	}
	return nil
}

func (s *Store) touch(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.dirty = true
}
