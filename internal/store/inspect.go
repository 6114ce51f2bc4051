package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
)

// inspect looks at a file from end to end without writing to it, before bbolt does: what bbolt
// finds wrong when it opens a file for writing may end the process in a goroutine of its own, and
// a file that was cut short ends it with a bus error. It calls breathe between two keys.
func inspect(path string, breathe func()) (err error) {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	if info.Size() == 0 {
		return corrupt(path, "it is empty")
	}
	db, err := openFile(path, true)
	if err != nil {
		return err
	}
	defer db.Close()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // a page that cannot be read is no reason to crash
	defer func() {
		if r := recover(); r != nil {
			err = corrupt(path, r)
		}
	}()
	return db.View(func(tx *bolt.Tx) error {
		if tx.Size() > info.Size() {
			return corrupt(path, fmt.Sprintf("it was cut short: %d of %d bytes are there", info.Size(), tx.Size()))
		}
		if err := pagesOf(tx, path, info.Size(), breathe); err != nil {
			return corrupt(path, err)
		}
		have, err := (&Tx{tx: tx}).schema()
		if err != nil {
			return corrupt(path, err)
		}
		if int(have) > len(migrations) {
			return &NewerError{path, int(have), len(migrations), keptFor(path, len(migrations))}
		}
		isCurrent := int(have) == len(migrations)
		if isCurrent {
			if err := complete(tx); err != nil {
				return corrupt(path, err)
			}
		}
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			each := func(key, value []byte) error { breathe(); return legible(name, key, value) }
			if !isCurrent { // a migration reads what it changes
				each = func(_, _ []byte) error { breathe(); return nil }
			}
			if err := walk(b, each); err != nil {
				return corrupt(path, fmt.Errorf("bucket %q: %w", name, err))
			}
			return nil
		})
	})
}

// pagesOf looks at all pages that bbolt will look at.
func pagesOf(tx *bolt.Tx, path string, size int64, breathe func()) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	p := &pages{file: f, size: size, page: int64(tx.DB().Info().PageSize), breathe: breathe}
	return p.check(uint64(tx.Cursor().Bucket().Root()))
}

// walk touches every page of a bucket and hands each value over. None of ours has a bucket in it.
func walk(b *bolt.Bucket, each func(key, value []byte) error) error {
	if b == nil {
		return errors.New("it is no bucket")
	}
	var last []byte
	cursor := b.Cursor()
	for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
		switch {
		case value == nil:
			return fmt.Errorf("key %x holds a bucket", key)
		case last != nil && bytes.Compare(key, last) <= 0:
			return fmt.Errorf("key %x is out of order", key)
		}
		last = key
		_ = bytes.IndexByte(value, 0) // reads it: a value that goes beyond the file faults here
		if err := each(key, value); err != nil {
			return err
		}
	}
	return nil
}

// complete reports a bucket that a file of this schema must have, and this one lacks.
func complete(tx *bolt.Tx) error {
	for _, name := range buckets {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("it has no bucket %s", name)
		}
	}
	return nil
}

// DamagedError is a file that is no database of bty, or one that does not hold together.
type DamagedError struct {
	Path  string
	Cause error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("open %s: not a bty database, or a damaged one: %v. The file was left as it is; restore a backup in its place with: bty-lab restore ID (bty-lab backups lists them)", e.Path, e.Cause)
}

func (e *DamagedError) Unwrap() error { return e.Cause }

// NewerError is a database of a later release.
type NewerError struct {
	Path         string
	Have, Newest int    // schemas: of the file, and of this release
	Kept         string // a copy beside it that this release can open, "" if there is none
}

func (e *NewerError) Error() string {
	way := "restore a backup made by this one"
	if e.Kept != "" {
		way = "put back what was kept when it was migrated, without all that was written since: " + PutBack(e.Kept)
	}
	return fmt.Sprintf("open %s: it has schema %d and this release knows up to %d; it was left untouched. Install the newer release again, or %s", e.Path, e.Have, e.Newest, way)
}

// corrupt says what is wrong with the file. The file is never changed.
func corrupt(path string, cause any) error {
	err, ok := cause.(error)
	if !ok {
		err = fmt.Errorf("%v", cause)
	}
	return &DamagedError{path, err}
}
