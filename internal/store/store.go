// Package store keeps the appliance's state in one bbolt file: one file of code per aggregate,
// numbered migrations, one transaction per use case.
//
// # On disk
//
//	meta      schema      -> uint32, big-endian: the number of the last migration
//	          created_by  -> version of bty-web that made the file
//	machines  MAC (6)     -> 0x01 JSON of settled: what machine.Machine has beside its facts
//	facts     MAC (6)     -> 0x01 and the bytes of facts: what changes with its contacts
//	latest    number (8, BE) -> 0x01 MAC and a row as in facts, in the order of the changes: the newest
//	                         of a machine counts; without the row, the machine was deleted
//	hardware  MAC (6)     -> 0x01 JSON of machine.Hardware
//	trees     MAC (6)     -> 0x01 JSON of the hardware tree, as it is served
//	images    ref (32)    -> 0x01 JSON of catalog.Entry
//	events    ID (8, BE)  -> 0x01 JSON of event.Event
//	settings  name        -> 0x01 JSON of the stored value
//	tokens    ID          -> 0x01 JSON of the API token, its secret hashed
//	rules     ID (8, BE)  -> 0x01 JSON of rule.Rule
//	          default     -> 0x01 JSON of rule.Assignment: for what no rule says
//	          mark        -> 0x01 JSON text, another after each change of rules
//	dropped   ref (32)    -> 0x01 JSON of when the operator deleted a catalog entry that a file may name again
//
// Every value begins with a version byte. Schemas 1 and 2 had all of machine.Machine in machines; schema 3
// had the facts that changed last in recent, by MAC. An acknowledged Update is on disk: bbolt syncs the
// data and then the meta page that makes it visible.
package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"bty/internal/catalog"
	"bty/internal/fault"
	"bty/internal/machine"
)

// lockWait is how long Open waits for another process to let go of the file.
const lockWait = time.Second

// maxSize bounds the file, so that a runaway never fills the disk for everybody else.
const maxSize = 8 << 30

// Store is the open database.
type Store struct {
	db     *bolt.DB
	queue  chan *request
	beside chan *request // of UpdateBeside; nothing waits in it
	stop   chan struct{}
	done   chan struct{}
	once   sync.Once

	ahead    ahead
	commits  atomic.Int64
	machines memo[machine.MAC, machine.Machine]
	hardware memo[machine.MAC, machine.Hardware]
	images   memo[catalog.ImageRef, catalog.Entry]
	events   *index
	rules    rulesCache
	latest   *latest

	// What follows is the committer's alone.
	merge           merge
	presentMachines presentMachines
	presentHardware present[*decoded[machine.Hardware]]
}

// Open opens the database at path, makes it if there is none, and migrates it. A file with a
// newer schema is refused and left as it is. Run must be running for Update to return.
func Open(path, version string) (*Store, error) {
	return openKeeping(path, version, func(uint32) error { return nil })
}

// openKeeping calls keep with the schema of a file before it migrates it.
func openKeeping(path, version string, keep func(have uint32) error) (*Store, error) {
	if err := create(path, version); err != nil {
		return nil, err
	}
	if err := inspect(path, func() {}); err != nil {
		return nil, err
	}
	db, err := openFile(path, false)
	if err != nil {
		return nil, err
	}
	if err := keepAndMigrate(db, keep); err != nil {
		db.Close()
		return nil, fmt.Errorf("migrate %s: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := &Store{db: db, ahead: ahead{file: file}, queue: make(chan *request, queueLength), beside: make(chan *request), stop: make(chan struct{}), done: make(chan struct{}),
		presentMachines: newPresentMachines(), presentHardware: newPresent[*decoded[machine.Hardware]]()}
	if err := s.loadLatest(); err != nil {
		return nil, errors.Join(err, s.Abandon())
	}
	err = s.View(func(tx *Tx) error { s.events = newIndex(tx.NewestEvent()); return nil })
	return s, err
}

// Close ends the committer and closes the file. Updates that were accepted are on disk.
func (s *Store) Close() error {
	s.once.Do(func() { close(s.stop) })
	<-s.done
	return s.Abandon()
}

// Abandon closes a Store whose Run was never started.
func (s *Store) Abandon() error { return errors.Join(s.ahead.file.Close(), s.db.Close()) }

// Commits is how many transactions were written since the file was opened.
func (s *Store) Commits() int64 { return s.commits.Load() }

// View runs fn on a consistent snapshot.
func (s *Store) View(fn func(*Tx) error) error {
	return s.named(s.db.View(func(tx *bolt.Tx) error { return fn(&Tx{tx: tx, store: s}) }))
}

// Check reports whether the database answers and its committer gets through; it is what readiness
// and the watchdog ask.
func (s *Store) Check(ctx context.Context) error {
	through := make(chan error, 1)
	go func() {
		through <- s.Update(ctx, func(tx *Tx) error { _, err := tx.schema(); return err })
	}()
	select {
	case err := <-through:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the database does not get through: %w", context.Cause(ctx))
	}
}

// Path is where the file is.
func (s *Store) Path() string { return s.db.Path() }

// Size is the length of the file in bytes.
func (s *Store) Size() int64 {
	info, err := os.Stat(s.db.Path())
	if err != nil {
		return 0
	}
	return info.Size()
}

func openFile(path string, readOnly bool) (db *bolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // bbolt looks for free pages at once, wherever a damaged one points
	var file *os.File
	defer func() {
		if r := recover(); r != nil { // bbolt panics on some corrupt files, and keeps them mapped and so locked
			err = errors.Join(corrupt(path, r), syscall.Flock(int(file.Fd()), syscall.LOCK_UN), file.Close())
		}
	}()
	db, err = bolt.Open(path, 0o600, &bolt.Options{
		Timeout: lockWait, ReadOnly: readOnly, FreelistType: bolt.FreelistMapType, NoFreelistSync: true,
		InitialMmapSize: 1 << 30, // so that a long reader never stalls writers while the map grows
		MaxSize:         maxSize,
		OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fault.New(fault.Unavailable, "open %s: held by %s; stop it, or give this one its own [paths] state_dir", path, holder(path))
	case isOfTheSystem(err):
		return nil, fmt.Errorf("open %s: %w", path, err)
	case err != nil: // bbolt itself does not like what it reads
		return nil, corrupt(path, err)
	}
	return db, nil
}

// isOfTheSystem tells a file that cannot be used (permission, no space, a folder) from bad content.
func isOfTheSystem(err error) bool {
	_, isErrno := errors.AsType[syscall.Errno](err)
	return isErrno
}

// create makes the first database under another name and renames it when it is whole, because a
// power cut during bbolt's very first write leaves a file that does not open.
func create(path, version string) error {
	if _, err := os.Stat(path); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	partial := path + ".new"
	if err := os.Remove(partial); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove what an interrupted start left: %w", err)
	}
	db, err := openFile(partial, false)
	if err == nil {
		err = errors.Join(initialise(db, version), db.Sync(), db.Close())
	}
	if err != nil {
		_ = os.Remove(partial) // err is what matters
		return fmt.Errorf("make %s: %w", path, err)
	}
	if err := os.Rename(partial, path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir has the disk take what was made, renamed or removed in a folder.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// asFault gives the faults of the disk under the database their kind.
func asFault(err error) error {
	var known *fault.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, bolterrors.ErrMaxSizeReached):
		return fault.Wrap(fault.Full, err, "the disk of the state folder is full; nothing was changed. Free space there and repeat the request")
	}
	return err
}
