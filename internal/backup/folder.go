package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bty/internal/fault"
	"bty/internal/store"
	"bty/internal/wire"
)

// folder is where the backups are.
type folder struct{ dir string }

const (
	partialPrefix = ".partial-" // a backup that is being made
	deletedPrefix = ".deleted-" // one that is being deleted
)

// prepare makes the folder and removes what is not whole.
func (f folder) prepare() error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return fmt.Errorf("make the backup folder: %w; set [paths] backup_dir to a folder that this user may write", err)
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return fmt.Errorf("read the backup folder: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), partialPrefix) || strings.HasPrefix(e.Name(), deletedPrefix) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(f.dir, e.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("remove what interrupted backups left: %w", err)
	}
	return nil
}

func (f folder) path(id ID) string { return filepath.Join(f.dir, string(id)) }

func (f folder) has(id ID) bool {
	_, err := os.Lstat(f.path(id))
	return err == nil
}

// Stored is one backup on the disk.
type Stored struct {
	ID       ID
	Path     string
	Size     int64
	Machines *int // nil if that cannot be read
	MadeBy   string
	Manifest *Manifest // nil for one of the previous system, which has no snapshot
	Problem  string    // why it cannot be restored, "" if it can
}

// At is when it was made.
func (s Stored) At() time.Time { return s.ID.At() }

// HasInventory and HasSnapshot report which of its files there are.
func (s Stored) HasInventory() bool { return s.has(inventoryName) }

// HasSnapshot reports whether the whole database is in it.
func (s Stored) HasSnapshot() bool { return s.has(snapshotName) }

func (s Stored) has(name string) bool {
	info, err := os.Stat(filepath.Join(s.Path, name))
	return err == nil && info.Mode().IsRegular()
}

// Removed describes s as one that is gone, in the shape of the wire.
func (s Stored) Removed() wire.BackupRemoved {
	return wire.BackupRemoved{ID: string(s.ID), Machines: s.Machines, Size: s.Size}
}

// list returns the backups, newest first.
func (f folder) list() ([]Stored, error) {
	found := []Stored{}
	entries, err := os.ReadDir(f.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.Internal, err, "the backup folder %s cannot be read: %v. Let the user of bty-web read it, or set [paths] backup_dir to another folder", f.dir, errnoOf(err))
	}
	for _, e := range entries {
		if id, ok := ParseID(e.Name()); ok && e.IsDir() {
			found = append(found, f.describe(id))
		}
	}
	slices.SortFunc(found, func(a, b Stored) int { return Compare(b.ID, a.ID) })
	return found, nil
}

// get returns one backup.
func (f folder) get(id string) (Stored, error) {
	known, ok := ParseID(id)
	if !ok {
		return Stored{}, noBackup(id)
	}
	if info, err := os.Lstat(f.path(known)); err != nil || !info.IsDir() {
		return Stored{}, noBackup(id)
	}
	return f.describe(known), nil
}

func noBackup(id string) error {
	return fault.New(fault.NotFound, "no backup with id '%.60s'; GET /api/v1/backups or bty-lab backups lists them", id)
}

// describe tolerates what somebody else did to the folder: what cannot be read is not known.
func (f folder) describe(id ID) Stored {
	s := Stored{ID: id, Path: f.path(id)}
	root, err := os.OpenRoot(s.Path)
	if err != nil {
		s.Problem = "its folder cannot be read"
		return s
	}
	defer root.Close()
	for _, name := range []string{snapshotName, inventoryName, manifestName} {
		if info, err := root.Lstat(name); err == nil && info.Mode().IsRegular() {
			s.Size += info.Size()
		}
	}
	if s.Manifest, err = readManifest(root); err != nil {
		s.Problem = err.Error()
		return s
	}
	if s.Manifest == nil {
		s.Problem = "it has no snapshot of the database; its inventory can be imported"
		s.Machines, s.MadeBy = readForeign(root)
		return s
	}
	s.Machines, s.MadeBy = &s.Manifest.Machines, s.Manifest.MadeBy
	for name, want := range s.Manifest.Files {
		if info, err := root.Lstat(name); err != nil || !info.Mode().IsRegular() || info.Size() != want.Size {
			s.Problem = fmt.Sprintf("%s is not as it was written", name)
		}
	}
	return s
}

// maxForeign bounds what is read of a bundle only to count its machines.
const maxForeign = 64 << 20

// readForeign looks into a bundle without a manifest, as the previous system made it.
func readForeign(root *os.Root) (machines *int, madeBy string) {
	file, err := root.Open(inventoryName)
	if err != nil {
		return nil, ""
	}
	defer file.Close()
	var bundle struct {
		MadeBy   string     `json:"exported_by_bty_version"`
		Machines []struct{} `json:"machines"`
	}
	if json.NewDecoder(io.LimitReader(file, maxForeign)).Decode(&bundle) != nil || bundle.Machines == nil {
		return nil, ""
	}
	n := len(bundle.Machines)
	return &n, bundle.MadeBy
}

// remove deletes a backup: it loses its name first.
func (f folder) remove(id ID) error {
	gone := filepath.Join(f.dir, deletedPrefix+string(id))
	if err := os.Rename(f.path(id), gone); err != nil {
		return fmt.Errorf("delete backup %s: %w", id, err)
	}
	return errors.Join(store.SyncDir(f.dir), os.RemoveAll(gone))
}

// free is how many bytes this user may still write beside path.
func free(path string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, fmt.Errorf("ask for the free space of %s: %w", path, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// isFull reports whether err is a disk without space.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
