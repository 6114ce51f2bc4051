// Package states has whole state folders as earlier releases left them, one for each schema of the
// database.
package states

import (
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed all:schema*
var folders embed.FS

// Password is the operator's in each of them, and Machines how many machines are in it.
const (
	Password = "correct horse"
	Machines = 8
)

// Names are the folders, the oldest first.
func Names() (names []string) {
	entries, _ := folders.ReadDir(".") // an embedded folder can be read
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}

// Unpack lays a folder out in dir, as the release left it.
func Unpack(name, dir string) error {
	return fs.WalkDir(folders, name, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, strings.TrimPrefix(path, name))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o750)
		}
		return unpack(path, to)
	})
}

func unpack(path, to string) error {
	file, err := folders.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	from := io.Reader(file)
	if strings.HasSuffix(path, ".gz") {
		to = strings.TrimSuffix(to, ".gz")
		if from, err = gzip.NewReader(file); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode(path))
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, from); err != nil {
		out.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	return out.Close()
}

// mode is a file's: git keeps none.
func mode(path string) fs.FileMode {
	if strings.HasSuffix(path, ".toml") || strings.Contains(path, "/boot/") {
		return 0o644
	}
	return 0o600
}
