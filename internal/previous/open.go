package previous

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// busyWait is how long a lock of the running system may be held, in milliseconds.
const busyWait = 5000

var wait = busyWait // tests have less

// headLength is what is read of a file before SQLite is asked: its header ends there.
const headLength = 100

// walByte is where the header says how the file is written; walMode that it has a log beside it.
const (
	walByte = 19
	walMode = 2
)

// open returns the database for reading and what closes it. Nothing beside it is made or changed: a
// file whose log nobody has open, or whose last change broke off, is read as a copy, because SQLite
// would have to write to the folder.
func open(ctx context.Context, path string) (db *sql.DB, release func(), err error) {
	head, err := readHead(path)
	if err != nil {
		return nil, nil, err
	}
	if string(head[:len(magic)]) != magic {
		return nil, nil, fmt.Errorf("%s is no SQLite database, or an encrypted one; give the %s of the previous bty, or a state.db.*.bak of it", path, Name)
	}
	if head[walByte] == walMode && !isThere(path+"-shm") {
		return openCopy(ctx, path)
	}
	db, err = connect(ctx, path, "mode=ro&_pragma=query_only(1)")
	if code(err) == lib.SQLITE_READONLY || code(err) == lib.SQLITE_CANTOPEN && isThere(path+"-journal") {
		return openCopy(ctx, path)
	}
	if err != nil {
		return nil, nil, explain(path, err)
	}
	return db, func() { db.Close() }, nil
}

// readHead returns the header of a file that may be one of SQLite.
func readHead(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w; give the %s of the previous bty", err, Name)
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder; give the %s in it", path, Name)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file; give the %s of the previous bty", path, Name)
	case info.Size() == 0:
		return nil, fmt.Errorf("%s is empty: the previous bty has made no state there, or it was not copied; give another %s", path, Name)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w; be root, or give a copy that you may read", err)
	}
	defer file.Close()
	head := make([]byte, headLength)
	n, err := io.ReadFull(file, head)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		if n >= len(magic) && string(head[:len(magic)]) == magic {
			return nil, fmt.Errorf("%s ends after %d bytes: it is truncated; copy it again from the previous bty, or give a state.db.*.bak", path, n)
		}
		err = nil // too short for a database, which the caller says
	}
	return head, err
}

// openCopy copies the database and its logs into a folder that only this user can read, and opens that.
func openCopy(ctx context.Context, path string) (*sql.DB, func(), error) {
	dir, err := os.MkdirTemp("", "bty-import-")
	if err != nil {
		return nil, nil, fmt.Errorf("make a folder for a copy of %s: %w", path, err)
	}
	remove := func() { os.RemoveAll(dir) }
	to := filepath.Join(dir, Name)
	for _, suffix := range []string{"", "-wal", "-journal"} {
		if err := copyFile(path+suffix, to+suffix); err != nil && !(suffix != "" && errors.Is(err, fs.ErrNotExist)) {
			remove()
			return nil, nil, fmt.Errorf("copy %s to read it: %w", path+suffix, err)
		}
	}
	db, err := connect(ctx, to, "mode=rw")
	if err != nil {
		remove()
		return nil, nil, explain(path, err)
	}
	return db, func() { db.Close(); remove() }, nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// connect opens the file and reads its schema, which finds out whether it can be read at all.
func connect(ctx context.Context, path, options string) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	address := url.URL{Scheme: "file", Path: absolute, RawQuery: fmt.Sprintf("%s&_pragma=busy_timeout(%d)&_pragma=trusted_schema(0)", options, wait)}
	db, err := sql.Open("sqlite", address.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	var n int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&n); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// code is the primary result code of SQLite, 0 if the error is none of its.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// explain says what to do about an error of the whole file.
func explain(path string, err error) error {
	_, isDamaged := errors.AsType[*DamagedError](err)
	switch c := code(err); {
	case c == lib.SQLITE_BUSY || c == lib.SQLITE_LOCKED:
		return fmt.Errorf("%s is locked by another program for more than %d s: %w; wait until the previous bty has written, or stop it, and repeat", path, busyWait/1000, err)
	case c == lib.SQLITE_NOTADB:
		return fmt.Errorf("%s is no SQLite database, or an encrypted one: %w; give the %s of the previous bty", path, err, Name)
	case c == lib.SQLITE_CORRUPT || isDamaged:
		return fmt.Errorf("%s is truncated or damaged: %w; copy it again from the previous bty (with its -wal file, if there is one), or give a state.db.*.bak", path, err)
	case c == lib.SQLITE_PERM || c == lib.SQLITE_CANTOPEN || c == lib.SQLITE_AUTH:
		return fmt.Errorf("%s cannot be opened: %w; be root, or give a copy that you may read", path, err)
	}
	if _, isShape := errors.AsType[*ShapeError](err); isShape {
		return fmt.Errorf("%s is not what a known release of the previous bty wrote: %w. Run that release's `bty-web export DIR` and import DIR: that carries the hardware of its machines over", path, err)
	}
	return fmt.Errorf("read %s: %w", path, err)
}

func isThere(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}
