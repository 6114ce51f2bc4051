package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Names in the folder of a backup.
const (
	snapshotName  = "bty.db"         // the whole database
	inventoryName = "inventory.json" // the portable bundle
	manifestName  = "manifest.json"
)

// manifestVersion is the format of the folder.
const manifestVersion = 1

// Manifest is what a backup says about itself; it is written last.
type Manifest struct {
	Version   int             `json:"manifest_version"`
	ID        ID              `json:"backup_id"`
	Trigger   Trigger         `json:"trigger"`
	MadeAt    time.Time       `json:"made_at"`
	MadeBy    string          `json:"made_by_bty_version"`
	Schema    uint32          `json:"schema"`
	Machines  int             `json:"machines"`
	Images    int             `json:"images"`
	Events    int             `json:"events"`
	WillFlash int             `json:"will_flash"` // machines that flash at their next boot
	Files     map[string]File `json:"files"`
}

// File is one file of a backup.
type File struct {
	Size   int64  `json:"size_bytes"`
	SHA256 string `json:"sha256"`
}

// readManifest returns the manifest of a backup's folder, nil if it has none that can be read: the
// previous system wrote none.
func readManifest(folder *os.Root) (*Manifest, error) {
	raw, err := folder.ReadFile(manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var m Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("%s is not what bty wrote: %w", manifestName, err)
	}
	if m.Version > manifestVersion {
		return nil, fmt.Errorf("%s has version %d and this release knows up to %d", manifestName, m.Version, manifestVersion)
	}
	return &m, nil
}
