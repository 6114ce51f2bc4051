// Package blob keeps files that are named by their SHA-256, in one folder:
//
//	blobs/<digest>         a complete blob
//	blobs/<digest>.json    its record: where it came from, when it was used
//	partial/<id>           a blob that grows
//	partial/<id>.json      its note: of what, and how far it is proven to be on the disk
//	pins.json              sources that are never evicted
//
// A blob counts only with its record and its full length. Its bytes are on the disk before its
// name is, so that no power cut leaves a name with other bytes behind it.
package blob

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bty/internal/catalog"
)

// ErrNotHeld: there is no such blob.
var ErrNotHeld = errors.New("the cache does not hold it")

// Config of Open.
type Config struct {
	Dir   string
	Limit int64 // bytes of all blobs, complete and growing; 0 = none
	Floor int64 // bytes that stay free on the file system
	// Listed reports whether a source is of the catalog; nil: all are. It is called under the
	// store's lock.
	Listed func(src string) bool
	Share  int // percent of the room that blobs may take which no listed source leads to
	Log    *slog.Logger
	Now    func() time.Time
}

// Store is an open folder. It is safe for concurrent use. Who asks what is held never waits for the
// disk: nothing is written or deleted under mu, all of it is under disk, which is taken first.
type Store struct {
	cfg  Config
	lock *os.File
	disk sync.Mutex

	mu       sync.Mutex
	held     map[catalog.Digest]*entry
	bound    map[string]catalog.Digest // by the key of a source
	pins     map[string]bool           // by the key of a source
	partials map[string]*Partial
	trash    []*entry // forgotten, and still to be deleted
}

// entry is a complete blob.
type entry struct {
	record
	digest catalog.Digest
	leases int
	dirty  bool // its record on the disk has older counts

	doubted bool // somebody could not read it
}

// Open opens a folder, makes it if it is not there, and brings files and records together.
func Open(cfg Config) (*Store, error) {
	s := &Store{cfg: cfg, held: map[catalog.Digest]*entry{}, bound: map[string]catalog.Digest{}, pins: map[string]bool{}, partials: map[string]*Partial{}}
	for _, dir := range []string{s.blobs(), s.growing()} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return nil, err
		}
	}
	if err := s.own(); err != nil {
		return nil, err
	}
	err := s.writable()
	if err == nil {
		err = s.load()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// own makes sure that no other process works in the folder: each would take the other's growing
// files for leftovers.
func (s *Store) own() error {
	dir, err := os.Open(s.cfg.Dir)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		dir.Close()
		return fmt.Errorf("lock %s, which another process uses: %w", s.cfg.Dir, err)
	}
	s.lock = dir
	return nil
}

func (s *Store) blobs() string   { return filepath.Join(s.cfg.Dir, "blobs") }
func (s *Store) growing() string { return filepath.Join(s.cfg.Dir, "partial") }

func (s *Store) path(d catalog.Digest) string { return filepath.Join(s.blobs(), d.String()) }

// writable finds out now what would otherwise fail with the first image.
func (s *Store) writable() error {
	f, err := os.CreateTemp(s.growing(), tempPattern)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Exists reports whether the folder is still there, with what Open made in it.
func (s *Store) Exists() bool {
	now, err := os.Stat(s.cfg.Dir)
	if err != nil {
		return false
	}
	_, gone1 := os.Stat(s.blobs())
	_, gone2 := os.Stat(s.growing())
	then, err := s.lock.Stat()
	return err == nil && gone1 == nil && gone2 == nil && os.SameFile(now, then)
}

// IsFull reports whether err is a disk without space.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Close writes what is to last. Leases stay good.
func (s *Store) Close() error {
	err := s.Flush()
	for _, p := range s.Partials() {
		err = errors.Join(err, p.close())
	}
	return errors.Join(err, s.lock.Close())
}
