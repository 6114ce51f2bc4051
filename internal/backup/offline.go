package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"bty/internal/fault"
	"bty/internal/store"
)

const (
	corruptInfix = ".corrupt-"
	lockWait     = 5 * time.Second // a server that cannot start has the file open now and then
)

// Offline is the files of an appliance whose server does not run.
type Offline struct {
	Dir      string // of the backups
	Database string // path of the state
	Version  string
	Now      func() time.Time
}

// List returns the backups, newest first.
func (o Offline) List() ([]Stored, error) { return folder{o.Dir}.list() }

// Find returns the path of the database that what names, the ID of a backup or a file, and what it
// must be.
func (o Offline) Find(what string) (path string, want File, err error) {
	if _, isID := ParseID(what); !isID {
		info, err := os.Stat(what)
		if err != nil {
			return "", want, fmt.Errorf("%w; give the ID of a backup (bty-lab backups lists them) or the path of a bty.db", err)
		}
		if info.IsDir() {
			what = filepath.Join(what, snapshotName)
		}
		return what, File{Size: -1}, nil
	}
	s, err := folder{o.Dir}.get(what)
	if err != nil {
		return "", want, err
	}
	if s.Problem != "" {
		return "", want, fault.New(fault.Conflict, "backup %s cannot be restored: %s", what, s.Problem)
	}
	return filepath.Join(s.Path, snapshotName), s.Manifest.Files[snapshotName], nil
}

// Look says what is in a database file, without changing it.
func Look(path string) (Restoring, error) {
	about := Restoring{Source: path}
	if err := lookInto(path, &about); err != nil {
		return about, unusable(path, err)
	}
	return about, nil
}

// Restore puts the database that what names in the place of the state. The present one is kept
// under another name, whatever is wrong with it.
func (o Offline) Restore(ctx context.Context, what string) (Restoring, error) {
	ready := Restoring{Source: what, At: o.Now().UTC()}
	path, want, err := o.Find(what)
	if err != nil {
		return ready, err
	}
	infix, out, err := o.state()
	if err != nil {
		return ready, err
	}
	release, err := o.lock(ctx)
	if err != nil {
		return ready, err
	}
	defer release()
	if infix != "" {
		ready.Kept = filepath.Base(o.Database) + infix + ready.At.Format(keptLayout)
	}
	staged := o.Database + stagedSuffix
	if err := o.stage(ctx, path, staged, want, out, &ready); err != nil {
		_ = os.Remove(staged) // err is what matters
		return ready, err
	}
	s := Switch{Restoring: ready, Database: o.Database, Staged: staged, Kept: filepath.Join(filepath.Dir(o.Database), ready.Kept)}
	return ready, s.Carry()
}

// state finds out what the present database is: "" if there is none, else what its kept copy is
// called; and who was shut out, as far as it can be read.
func (o Offline) state() (infix string, out shutOut, err error) {
	if _, err := os.Stat(o.Database); errors.Is(err, fs.ErrNotExist) {
		return "", out, nil
	}
	kept, err := store.OpenCopy(o.Database, func() {})
	switch {
	case err == nil:
		out, err = shutOutOf(kept)
		return keptInfix, out, errors.Join(err, kept.Close())
	case fault.KindOf(err) == fault.Unavailable:
		return "", out, stopFirst(err)
	case errors.As(err, new(*store.DamagedError)):
		return corruptInfix, out, nil
	case errors.As(err, new(*store.NewerError)):
		return keptInfix, out, nil
	}
	return "", out, err // it may not be read
}

// shutOutOf reads a database file. One of an older release has neither tokens nor epochs.
func shutOutOf(kept *store.Copy) (out shutOut, err error) {
	about, err := kept.About()
	if err != nil || !about.HasSettings() {
		return out, err
	}
	err = kept.View(func(tx *store.Tx) (err error) { out, err = readShutOut(tx); return err })
	return out, err
}

// lock keeps a server from opening the present database until release.
func (o Offline) lock(ctx context.Context) (release func(), err error) {
	file, err := os.OpenFile(o.Database, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockWait); ; time.Sleep(50 * time.Millisecond) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { file.Close() }, nil
		case !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(end) || ctx.Err() != nil:
			file.Close()
			return nil, stopFirst(fmt.Errorf("%s is held by another process: %w", o.Database, err))
		}
	}
}

func stopFirst(err error) error {
	return fmt.Errorf("%w. A server that runs restores by itself over its control socket; one that does not answer must be stopped first: systemctl stop bty-web.socket bty-control.socket bty-report.socket bty-web.service", err)
}

// stage makes the new database ready with the owner of the old one.
func (o Offline) stage(ctx context.Context, path, staged string, want File, out shutOut, ready *Restoring) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	m := &Manager{Config: Config{Version: o.Version, Dir: o.Dir}}
	if err := m.stage(ctx, staged, from, want, ready); err != nil {
		return err
	}
	if err := note(staged, restored(*ready, netip.Addr{}), o.Version, out); err != nil {
		return err
	}
	return o.own(staged)
}

// own gives a file to whom the state belongs: root works on files of the server's user here.
func (o Offline) own(path string) error {
	info, err := os.Stat(o.Database)
	if errors.Is(err, fs.ErrNotExist) {
		info, err = os.Stat(filepath.Dir(o.Database))
	}
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return os.Lchown(path, int(owner.Uid), int(owner.Gid))
}
