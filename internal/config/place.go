package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// place is a file that the configuration is read from, or would be if it existed.
type place struct {
	path   string
	exists bool
	named  bool // by itself, not found in a folder: a key may be added to it
}

// places lists the files of the configuration, the strongest first.
func (src Source) places() (list []place) {
	for _, c := range src.candidates() {
		info, err := os.Stat(c.path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !c.folder:
			list = append(list, place{path: c.path, named: true})
		case err == nil && info.IsDir():
			files, _ := expand(c.path) // one that cannot be listed was reported by Load
			for _, f := range files {
				list = append(list, place{path: f, exists: true})
			}
		case err == nil:
			list = append(list, place{path: c.path, exists: true, named: true})
		}
	}
	slices.Reverse(list)
	return list
}

// target is the file to write a key into that setIn sets now, "" if none does: the strongest that
// exists and can be written, else one that can be made; never one that setIn overrides.
func (src Source) target(setIn string) (string, bool) {
	list := src.places()
	if i := slices.IndexFunc(list, func(p place) bool { return p.path == setIn }); i >= 0 {
		list = list[:i+1]
		list[i].named = true // who sets a key may change it
	}
	for _, exists := range []bool{true, false} {
		for _, p := range list {
			if p.named && p.exists == exists && p.writable() {
				return p.path, true
			}
		}
	}
	return "", false
}

// writable reports whether this process may change the file, or make it.
func (p place) writable() bool {
	if p.exists {
		return unix.Access(p.path, unix.W_OK) == nil
	}
	return unix.Access(filepath.Dir(p.path), unix.W_OK|unix.X_OK) == nil
}

// Writable returns the file that settings without a value are written into, "" if there is none.
func (src Source) Writable() string {
	path, _ := src.target("")
	return path
}
