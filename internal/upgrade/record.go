package upgrade

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"bty/internal/deploy"
)

// Phase is how far an upgrade has come.
type Phase string

// The phases.
const (
	Preparing Phase = "preparing" // nothing that runs was touched
	Switching Phase = "switching" // the new release is put in place, or is looked at
	Returning Phase = "returning" // the old release is put in place again
	Upgraded  Phase = "upgraded"
	Returned  Phase = "returned"
)

// over reports whether there is nothing left to do.
func (p Phase) over() bool { return p == Upgraded || p == Returned }

// Record is what an upgrade leaves behind in its folder, for whoever takes it up.
type Record struct {
	ID      string      `json:"id"`
	Mode    deploy.Mode `json:"mode"`
	From    string      `json:"from"`
	To      string      `json:"to"`
	Phase   Phase       `json:"phase"`
	Reason  string      `json:"reason,omitempty"` // for going back
	Ended   string      `json:"ended,omitempty"`  // the server's run that the upgrade ends
	Look    Look        `json:"look"`
	Running []string    `json:"running,omitempty"` // units that were at work before
	// Switched says that the new release was in place once, and Removed what the switch took away of the site's
	// files: what is missing beside that, somebody has deleted since.
	Switched bool      `json:"switched,omitempty"`
	Removed  []string  `json:"removed,omitempty"`
	Proven   bool      `json:"rows_compared"` // and none was lost
	Begun    time.Time `json:"begun"`
	Changed  time.Time `json:"changed"`
	By       string    `json:"by"` // the version of bty-lab
}

const recordName = "upgrade.json"

// Snapshots is the folder of all snapshots of a deployment.
func Snapshots(dir string) string { return deploy.Snapshots(dir) }

func readRecord(folder string) (*Record, error) {
	raw, err := os.ReadFile(filepath.Join(folder, recordName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := &Record{}
	if err := json.Unmarshal(raw, r); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w; move the folder away if that upgrade is of no interest any more", filepath.Join(folder, recordName), err)
	}
	return r, nil
}

func (r Record) write(folder string) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return deploy.ReplaceFile(filepath.Join(folder, recordName), append(raw, '\n'), 0o600)
}
