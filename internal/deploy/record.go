package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// State is how far a deployment has come.
type State string

// The states.
const (
	Initialised State = "initialised" // written by init, nothing runs
	Deploying   State = "deploying"   // a run has begun and not ended
	Deployed    State = "deployed"
)

// recordFormat is that of the record; a newer one is refused.
const recordFormat = 1

// Record is what is kept of a deployment, as deploy.json in its folder.
type Record struct {
	Format int       `json:"format"`
	Since  time.Time `json:"deployed_since,omitzero"` // the first run that came to its end; zero before
	State  State     `json:"state"`
	Site
	Password PasswordKind `json:"password,omitempty"`        // that this deployment has set, none if it was there before
	Unseen   bool         `json:"password_unseen,omitempty"` // it was made up, and nobody has been shown it
	Files    []Written    `json:"files,omitempty"`           // in the order in which they were written
	Folders  []string     `json:"folders,omitempty"`         // that were made for them, outermost first
	By       string       `json:"by"`                        // the version of bty-lab
	At       time.Time    `json:"at"`
}

// Written is a file that a deployment made, and what it held then.
type Written struct {
	Path   string `json:"path"`
	Digest string `json:"sha256"`
}

// at is when a record was written, the zero time for one that is not there.
func (r *Record) at() time.Time {
	if r == nil {
		return time.Time{}
	}
	return r.At
}

// RecordPath is where the record of a folder is.
func RecordPath(dir string) string { return filepath.Join(dir, "deploy.json") }

// ReadRecord reads a folder's record; nil if there is none.
func ReadRecord(dir string) (*Record, error) {
	raw, err := os.ReadFile(RecordPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := &Record{}
	if err := json.Unmarshal(raw, r); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w; restore it, or move it away and deploy again: what runs stays", RecordPath(dir), err)
	}
	if r.Format > recordFormat {
		return nil, fmt.Errorf("%s was written by bty-lab %s, which is newer than this one; use that", RecordPath(dir), r.By)
	}
	return r, nil
}

// write puts the record in its folder: the old one or the new one is there at any moment.
func (r Record) write(dir string) error {
	r.Format = recordFormat
	var raw bytes.Buffer
	out := json.NewEncoder(&raw)
	out.SetIndent("", "  ")
	if err := out.Encode(r); err != nil {
		return err
	}
	return ReplaceFile(RecordPath(dir), raw.Bytes(), 0o644)
}

// ReplaceFile gives a file new content, all of it or none, and has it on the disk when it returns.
func ReplaceFile(path string, content []byte, mode fs.FileMode) (err error) {
	if err := sweep(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".new-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // err is what matters
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// sweep removes what a run that was killed has left of a file.
func sweep(path string) error {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new-*")) // the pattern is right
	for _, unfinished := range left {
		if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) { // some file systems have nothing to do
		return err
	}
	return nil
}
