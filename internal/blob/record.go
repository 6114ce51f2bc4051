package blob

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"bty/internal/catalog"
)

// recordVersion is that of records, notes and pins. What has another one is not touched.
const recordVersion = 1

// record is what is kept of a complete blob.
type record struct {
	Version   int               `json:"version"`
	Size      int64             `json:"size"`
	Type      string            `json:"type,omitempty"`
	Sources   map[string]Source `json:"sources"` // by key
	FetchedAt time.Time         `json:"fetched_at"`
	UsedAt    time.Time         `json:"used_at"`
	ProvenAt  time.Time         `json:"proven_at"` // when its SHA-256 was last seen to be its name
	Reads     int64             `json:"reads"`
	Sent      int64             `json:"sent"`
	Former    *Source           `json:"former,omitempty"` // the last address that led here, where it leads to other bytes now
	FormerAt  time.Time         `json:"former_at,omitzero"`
}

// Source is an address that has led to a blob.
type Source struct {
	Src       string         `json:"src"`
	Declared  catalog.Digest `json:"declared,omitzero"` // by the catalog; zero = only the origin knows
	ETag      string         `json:"etag,omitempty"`
	Modified  string         `json:"modified,omitempty"`
	BoundAt   time.Time      `json:"bound_at"`
	CheckedAt time.Time      `json:"checked_at"`
	Rolling   bool           `json:"rolling,omitempty"`
	Moved     bool           `json:"moved,omitempty"` // it leads to other bytes now
}

// tempPattern names files that are about to be renamed; they are removed at the start.
const tempPattern = ".new-*"

// maxRecord bounds what is read of a record. One with as many addresses as there may be, each as long as it may
// be and twice in it, has 25 MiB where JSON escapes every byte of them.
const maxRecord = 32 << 20

// writeJSON replaces a file at once and for good.
func writeJSON(path string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return replace(path, raw)
}

func replace(path string, raw []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, tempPattern)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(dir)
}

func readJSON(path string, v any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// syncDir makes the names in a folder last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// removed is os.Remove for what may be gone already.
func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
