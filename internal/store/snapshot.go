package store

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"

	"bty/internal/event"
)

// Snapshot writes a consistent copy of the whole database to w, which may take its time: writers go
// on beside it, and the pages that they free meanwhile are used again once it has ended. begin is
// told how many bytes will come; its error ends the copy before the first.
func (s *Store) Snapshot(w io.Writer, begin func(size int64) error) error {
	return s.db.View(func(tx *bolt.Tx) error {
		if err := begin(tx.Size()); err != nil {
			return err
		}
		_, err := tx.WriteTo(w)
		return err
	})
}

// Copy is a database file that no server has open: a backup, or one that may become the state.
type Copy struct{ store *Store }

// OpenCopy opens a file for reading after it has looked at it from end to end. A file that is
// damaged, or has a newer schema, is refused with the reason. It never writes to the file. While
// it looks it calls breathe, so that it can be made to leave the machine to others.
func OpenCopy(path string, breathe func()) (*Copy, error) {
	if err := inspect(path, breathe); err != nil {
		return nil, err
	}
	db, err := openFile(path, true)
	if err != nil {
		return nil, err
	}
	c := &Copy{&Store{db: db}}
	if err := c.store.loadLatest(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return c, nil
}

// View runs fn on the copy. It may lack the buckets of newer schemas: ask Schema.
func (c *Copy) View(fn func(*Tx) error) error { return c.store.View(fn) }

// About is what a database file says about itself.
type About struct {
	Schema    uint32 // the number of the last migration that it went through
	Newest    uint32 // the same of this release
	CreatedBy string // version of bty-web that made the first file of this state
	Machines  int
	Images    int
	Events    int
}

// HasSettings reports whether the file has what the operator sets beside machines and images:
// settings, tokens and rules.
func (a About) HasSettings() bool { return a.Schema >= 2 }

// About counts what is in the copy.
func (c *Copy) About() (about About, err error) {
	err = c.View(func(t *Tx) error {
		about.Newest = uint32(len(migrations))
		if about.Schema, err = t.schema(); err != nil {
			return err
		}
		about.CreatedBy = string(t.tx.Bucket(bucketMeta).Get(keyCreatedBy))
		for name, n := range map[*[]byte]*int{&bucketMachines: &about.Machines, &bucketImages: &about.Images, &bucketEvents: &about.Events} {
			b := t.tx.Bucket(*name)
			if b == nil {
				return fmt.Errorf("it has no bucket %s", *name)
			}
			*n = b.Stats().KeyN
		}
		return nil
	})
	return about, err
}

// LastAct is the newest event that a machine or an operator has caused, and whether there is one.
func (c *Copy) LastAct() (act event.Event, found bool, err error) {
	err = c.View(func(t *Tx) error {
		return t.EachEventBack(0, func(e event.Event) (bool, error) {
			if found = e.Actor != event.System; found {
				act = e
			}
			return !found, nil
		})
	})
	return act, found, err
}

// LastEvent is the number of the event that was appended last to a file, which may have a newer schema: it
// only ever grows.
func LastEvent(path string) (last event.ID, err error) {
	db, err := openFile(path, true)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // as in inspect
	defer func() {
		if r := recover(); r != nil {
			err = corrupt(path, r)
		}
	}()
	err = db.View(func(tx *bolt.Tx) error {
		events := tx.Bucket(bucketEvents)
		if events == nil {
			return corrupt(path, "it has no events")
		}
		last = event.ID(events.Sequence())
		return nil
	})
	return last, err
}

// Close lets go of the file.
func (c *Copy) Close() error { return c.store.db.Close() }
