// Package previous reads the state of the previous system, bty in Python: the SQLite database
// state.db, which it never changes, also while that system runs.
package previous

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bty/internal/wire"
)

// Name is the database in a state folder of the previous system.
const Name = "state.db"

// magic begins a file of SQLite.
const magic = "SQLite format 3\x00"

// IsDatabase reports whether a file begins as one of SQLite.
func IsDatabase(path string) bool {
	head, err := readHead(path)
	return err == nil && string(head[:len(magic)]) == magic
}

// Read returns all that is in the database at path. An error is one of the whole file, and says
// what to do; what is wrong with a row stands in the row. From 0.66 on the database has no catalog,
// and AddCatalog adds it.
func Read(ctx context.Context, path string) (*wire.PreviousState, error) {
	db, release, err := open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer release()
	state, err := readAll(ctx, db, path)
	if err != nil {
		return nil, explain(path, err)
	}
	state.Source = path
	return state, nil
}

// readAll reads in one transaction: what a server writes meanwhile is not seen in part.
func readAll(ctx context.Context, db *sql.DB, path string) (*wire.PreviousState, error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	r := &reader{ctx: ctx, tx: tx, path: path, state: &wire.PreviousState{}}
	for _, step := range []func() error{r.sound, r.shape, r.version, r.machines, r.labels, r.starts, r.images, r.settings, r.events} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return r.state, nil
}

// reader is the work of one Read.
type reader struct {
	ctx     context.Context
	tx      *sql.Tx
	path    string
	columns map[string]map[string]bool // of the tables there are
	state   *wire.PreviousState
}

// sound asks SQLite whether the file is whole.
func (r *reader) sound() error {
	var verdict string
	if err := r.tx.QueryRowContext(r.ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return &DamagedError{verdict}
	}
	var encoding string
	if err := r.tx.QueryRowContext(r.ctx, "PRAGMA encoding").Scan(&encoding); err != nil {
		return err
	}
	if encoding != "UTF-8" {
		return &ShapeError{fmt.Sprintf("its texts are in %s and the previous bty wrote UTF-8", encoding)}
	}
	return nil
}

// DamagedError is a database that SQLite finds broken.
type DamagedError struct{ Verdict string }

func (e *DamagedError) Error() string { return "SQLite finds it damaged: " + e.Verdict }

// ShapeError is a database that no known release of the previous system wrote.
type ShapeError struct{ Why string }

func (e *ShapeError) Error() string { return e.Why }

// Find returns the database that a path means: itself, or the one in a state folder.
func Find(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w; give the state folder of the previous bty, or its %s", err, Name)
	case info.IsDir():
		inside := filepath.Join(path, Name)
		if _, err := os.Stat(inside); errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("the folder %s holds no %s; give the folder that the previous bty has as its state folder (its container mounts it at /var/lib/bty), or a file", path, Name)
		} else if err != nil {
			return "", err
		}
		return inside, nil
	}
	return path, nil
}
