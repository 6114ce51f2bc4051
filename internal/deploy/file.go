package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// File is one that a deployment puts on a host.
type File struct {
	Path    string
	Content string
	Mode    fs.FileMode
	Kind    string // what its step is called after
	Service string // that has to be restarted to take it up, "" for none
	Shipped bool   // the same for every site: it belongs to the release, and changes with it
}

func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// digestOf is that of a file, "" if it is not there.
func digestOf(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return digest(string(raw)), err
}

// write puts files in place, with the folders above them.
func write(files []File) Action {
	return action(func(ctx context.Context, e *Engine) error {
		for _, f := range files {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := e.put(f); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *Engine) put(f File) error {
	path := e.path(f.Path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return ReplaceFile(path, []byte(f.Content), f.Mode)
}

// remove takes files away, as far as they are there.
func remove(paths []string) Action {
	return action(func(_ context.Context, e *Engine) error {
		for _, p := range paths {
			if err := os.Remove(e.path(p)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if err := sweep(e.path(p)); err != nil {
				return err
			}
		}
		return nil
	})
}

// removeEmpty takes folders away, innermost first, as far as nothing is in them.
func removeEmpty(folders []string) Action {
	return action(func(_ context.Context, e *Engine) error {
		for _, p := range slices.Backward(folders) {
			entries, err := os.ReadDir(e.path(p))
			if errors.Is(err, fs.ErrNotExist) || len(entries) > 0 {
				continue
			}
			if err = errors.Join(err, os.Remove(e.path(p))); err != nil {
				return err
			}
		}
		return nil
	})
}

// foldersOf are the folders above files that have to be made, outermost first.
func foldersOf(paths []string, exists func(string) bool) (made []string) {
	for _, p := range paths {
		var above []string
		for dir := filepath.Dir(p); dir != "/" && !exists(dir); dir = filepath.Dir(dir) {
			above = append(above, dir)
		}
		slices.Reverse(above)
		for _, dir := range above {
			if !slices.Contains(made, dir) {
				made = append(made, dir)
			}
		}
	}
	return made
}

// list names files for people.
func list(files []File) string {
	var names []string
	for _, f := range files {
		names = append(names, f.Path)
	}
	const most = 3
	if n := len(names); n > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), n-most)
	}
	return strings.Join(names, ", ")
}
