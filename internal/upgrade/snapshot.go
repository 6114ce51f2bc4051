package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bty/internal/store"
)

// What is in the folder of a snapshot.
const (
	treeName     = "files"    // secrets and configuration, under the paths that they have
	databaseName = "bty.db"   // as the old release left it
	guardName    = "guard"    // the program that systemd runs before the server starts
	partialName  = ".partial" // in front of the name of a snapshot that is being made
	maxFile      = 16 << 20   // bytes of a file that is taken for one of configuration
	maxFiles     = 5000
	idLayout     = "2006-01-02T15-04-05Z"
)

// leftOut is not in a snapshot: what an upgrade does not touch, and what is only a copy.
func leftOut(look Look, path string) bool {
	if slices.ContainsFunc(look.Apart, func(folder string) bool { return filepath.Clean(folder) == path }) {
		return true
	}
	name, err := filepath.Rel(look.State, path)
	if err != nil || strings.HasPrefix(name, "..") {
		return false
	}
	switch first, _, _ := strings.Cut(name, string(filepath.Separator)); first {
	case "boot", "backups", "logs":
		return true
	}
	return strings.HasPrefix(name, "bty.db") || name == "state.db"
}

// eachFile visits the files of a site's configuration, its secrets among them.
func eachFile(look Look, visit func(path string, info fs.FileInfo) error) error {
	for _, top := range append([]string{look.State}, look.Configs...) {
		err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case path != top && leftOut(look, path):
				if entry.IsDir() {
					return fs.SkipDir
				}
				return nil
			case !entry.Type().IsRegular():
				return nil
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			return visit(path, info)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// take makes the folder of a snapshot with everything but the database.
func (u *Upgrade) take(ctx context.Context, r Record) (err error) {
	partial := filepath.Join(Snapshots(u.Dir), partialName+r.ID)
	if err := os.MkdirAll(partial, 0o700); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(partial))
		}
	}()
	files := 0
	err = eachFile(r.Look, func(path string, info fs.FileInfo) error {
		if files++; files > maxFiles || info.Size() > maxFile {
			return notConfiguration(path, info.Size(), r.Look)
		}
		to := filepath.Join(partial, treeName, path)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		_, err := copyFile(ctx, path, to)
		return err
	})
	if err != nil {
		return err
	}
	if err := u.Place.Prepare(ctx, partial); err != nil {
		return err
	}
	if err := u.arm(ctx, partial, r); err != nil {
		return err
	}
	if err := u.prove(ctx, partial); err != nil {
		return err
	}
	if err := r.write(partial); err != nil {
		return err
	}
	return errors.Join(os.Rename(partial, u.folder(r)), store.SyncDir(Snapshots(u.Dir)))
}

// notConfiguration refuses a file that is too much to be one of configuration, by itself or with all others.
func notConfiguration(path string, size int64, look Look) error {
	what := fmt.Sprintf("%s is not taken for configuration: it has %s, and %s is the most for one file", path, mebibytes(size), mebibytes(maxFile))
	if size <= maxFile {
		what = fmt.Sprintf("%s is not taken for configuration: %d files come before it, and that is the most", path, maxFiles)
	}
	next := "A snapshot has secrets and configuration. "
	if inside(look.State, path) {
		next += fmt.Sprintf("Backups and boot files are left out where [paths] backup_dir and boot_dir name their folder (now: %s): have these name it if it holds such. ", strings.Join(look.Apart, ", "))
	}
	return refused("snapshot", what, next+"What is not bty's, move elsewhere: mv "+path+" /srv/")
}

// inside reports whether a path is in a folder.
func inside(folder, path string) bool {
	name, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(name)
}

func (u *Upgrade) folder(r Record) string { return filepath.Join(Snapshots(u.Dir), r.ID) }

// all lists the upgrades of a deployment, the oldest first.
func (u *Upgrade) all() (records []Record, err error) {
	entries, err := os.ReadDir(Snapshots(u.Dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries { // sorted by name, which is a time
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		r, err := readRecord(filepath.Join(Snapshots(u.Dir), e.Name()))
		if err != nil {
			return nil, err
		}
		if r != nil {
			records = append(records, *r)
		}
	}
	return records, nil
}

// sweep removes what a run left that was cut off before its snapshot was whole.
func (u *Upgrade) sweep() error {
	left, err := filepath.Glob(filepath.Join(Snapshots(u.Dir), partialName+"*"))
	for _, folder := range left {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	return err
}

// prune removes the oldest snapshots, and what is large of all that nobody can go back to: only the last
// upgrade can be undone, and only once.
func (u *Upgrade) prune() error {
	records, err := u.all()
	if err != nil {
		return err
	}
	undoable := ""
	for _, r := range records {
		if r.Phase != Returned {
			undoable = r.ID
		}
	}
	over := slices.DeleteFunc(records, func(r Record) bool { return !r.Phase.over() || r.ID == undoable })
	for len(over) >= kept {
		err = errors.Join(err, os.RemoveAll(u.folder(over[0])))
		over = over[1:]
	}
	for _, r := range over {
		err = errors.Join(err, os.RemoveAll(filepath.Join(u.folder(r), packagesName)), os.RemoveAll(filepath.Join(u.folder(r), guardName)))
	}
	if undoable != "" {
		err = errors.Join(err, os.RemoveAll(filepath.Join(Snapshots(u.Dir), undoable, guardName)))
	}
	return err
}

// packagesName is the folder of what a Place has made ready.
const packagesName = "packages"
