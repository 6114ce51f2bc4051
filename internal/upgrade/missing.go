package upgrade

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A release may move or remove a file of the site's configuration, and its predecessor needs that again. What
// somebody has deleted since is another matter: a password that was taken away must not come back.

// missing are the files of a snapshot that are not in their place.
func missing(tree string) (paths []string, err error) {
	err = filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == tree {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		place := strings.TrimPrefix(path, tree)
		switch _, err := os.Lstat(place); {
		case errors.Is(err, fs.ErrNotExist):
			paths = append(paths, place)
		case err != nil:
			return err
		}
		return nil
	})
	return paths, err
}

func (u *Upgrade) tree(r Record) string { return filepath.Join(u.folder(r), treeName) }

// switched notes, once, what the switch has taken away.
func (u *Upgrade) switched(r *Record) (err error) {
	if r.Switched {
		return nil
	}
	if r.Removed, err = missing(u.tree(*r)); err != nil {
		return err
	}
	r.Switched = true
	return u.to(r, r.Phase)
}

// restore puts back what the new release has taken away. A switch that was cut off has not told what that is:
// all that is missing counts then.
func (u *Upgrade) restore(ctx context.Context, r Record) error {
	gone, err := missing(u.tree(r))
	if err != nil {
		return err
	}
	for _, path := range gone {
		if r.Switched && !slices.Contains(r.Removed, path) {
			continue
		}
		if err := putIn(ctx, filepath.Join(u.tree(r), path), path, r.Look.State); err != nil {
			return err
		}
	}
	return nil
}

// putIn copies a file to its place. What leads out of the state folder, which is the daemon's, is not followed;
// elsewhere only who upgrades puts links, and an absolute one (/home) would lead out of any os.Root.
func putIn(ctx context.Context, from, path, state string) error {
	if !inside(state, path) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		_, err := copyFile(ctx, from, path)
		return err
	}
	root, err := os.OpenRoot(state)
	if err != nil {
		return err
	}
	defer root.Close()
	name, err := filepath.Rel(state, path)
	if err != nil {
		return err
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	folder, err := root.OpenRoot(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer folder.Close()
	_, err = copyInto(ctx, from, folder, filepath.Base(name))
	return err
}

// deleted are files that were there after the switch and are not now. That they cannot be looked for is no
// reason to fail.
func (u *Upgrade) deleted(r Record) (paths []string) {
	if !r.Switched {
		return nil
	}
	gone, _ := missing(u.tree(r))
	return slices.DeleteFunc(gone, func(path string) bool { return slices.Contains(r.Removed, path) })
}
