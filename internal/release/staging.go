package release

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"bty/internal/fault"
)

// Staging is a set of files on its way into the boot folder. It lies in the boot folder too, so
// that giving the files their names is a rename.
type Staging struct {
	shelf *Shelf
	dir   string
	root  *os.Root
	files []Stored

	decided bool // Recover needs what is left of the set
}

// Stored is a boot file that has been written whole.
type Stored struct {
	Name   string `json:"name"`
	Size   int64  `json:"size_bytes"`
	SHA256 string `json:"sha256"`

	at time.Time // its date, by which this content is known again
}

// Stage begins a set. Discard must follow, whether it was switched to or not.
func (s *Shelf) Stage() (*Staging, error) {
	dir := ownPrefix + "staging-" + rand.Text()
	if err := s.Root.Mkdir(dir, 0o700); err != nil {
		return nil, s.storeFault(err, "the set")
	}
	root, err := s.Root.OpenRoot(dir)
	if err != nil {
		return nil, errors.Join(err, s.Root.Remove(dir))
	}
	return &Staging{shelf: s, dir: dir, root: root}, nil
}

// Discard removes what is left of the set.
func (g *Staging) Discard() error {
	if g.decided {
		return g.root.Close()
	}
	return errors.Join(g.root.Close(), g.shelf.Root.RemoveAll(g.dir))
}

// Files are those that have been received.
func (g *Staging) Files() []Stored { return g.files }

// Receive stores one file of the set from a reader that is read to its end. Its error is a fault
// where the operator can do something; what the reader says comes back as it is.
func (g *Staging) Receive(name string, from io.Reader) (Stored, error) {
	stored := Stored{Name: name}
	if err := checkNewName(name); err != nil {
		return stored, err
	}
	for _, other := range g.files {
		if other.Name == name {
			return stored, fault.New(fault.Invalid, "%s is in this set twice; nothing was stored", name)
		}
	}
	file, err := g.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return stored, g.shelf.storeFault(err, name)
	}
	in := &source{r: from}
	sum := sha256.New()
	stored.Size, err = io.Copy(io.MultiWriter(file, sum), io.LimitReader(in, g.shelf.Limit+1))
	if in.err == nil && err == nil && stored.Size > g.shelf.Limit {
		err = g.shelf.tooLarge(stored.Size)
	}
	info, statErr := file.Stat()
	if err = errors.Join(err, statErr, file.Sync(), file.Close()); err != nil {
		if in.err != nil {
			return stored, in.err
		}
		return stored, g.shelf.storeFault(err, name)
	}
	stored.SHA256, stored.at = hex.EncodeToString(sum.Sum(nil)), info.ModTime()
	g.files = append(g.files, stored)
	return stored, nil
}

// tooLarge is the refusal of a file of which size bytes have been read.
func (s *Shelf) tooLarge(size int64) error {
	return fault.New(fault.TooLarge, "upload exceeded %d bytes (BTY_TUNING_MAX_UPLOAD_BYTES). Aborted at %d bytes.", s.Limit, min(size, s.Limit))
}

// Fits refuses a file that is said to have size bytes before any is read.
func (s *Shelf) Fits(size int64) error {
	if size > s.Limit {
		return s.tooLarge(0)
	}
	return nil
}

// source keeps the reader's own failure apart from the disk's.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = fmt.Errorf("read: %w", err)
	}
	return n, err
}
