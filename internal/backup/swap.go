package backup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"bty/internal/store"
)

// Outcome is how a restore ended.
type Outcome struct {
	Restoring
	Err error // why the state from before came back; nil if it is restored
}

// Carry puts the staged database in the place of the present one, which keeps its content under
// another name. Nobody may have either open. There is a database under its name at each moment.
func (s Switch) Carry() error {
	if s.Restoring.Kept != "" {
		if err := os.Link(s.Database, s.Kept); err != nil {
			return fmt.Errorf("keep the present database: %w", err)
		}
	}
	if err := os.Rename(s.Staged, s.Database); err != nil {
		if s.Restoring.Kept != "" {
			_ = os.Remove(s.Kept) // a second name of what is still in place
		}
		return fmt.Errorf("put the restored database in place: %w", err)
	}
	return store.SyncDir(filepath.Dir(s.Database))
}

// Undo brings the database back that Carry replaced.
func (s Switch) Undo() error {
	if err := os.Rename(s.Kept, s.Database); err != nil {
		return fmt.Errorf("bring the database back that the restore replaced: %w", err)
	}
	return store.SyncDir(filepath.Dir(s.Database))
}

// Tidy deletes the oldest of the databases that restores replaced.
func (s Switch) Tidy() error {
	kept, err := filepath.Glob(s.Database + keptInfix + "*")
	slices.Sort(kept) // their names are times
	for len(kept) > keptReplaced {
		err = errors.Join(err, os.Remove(kept[0]))
		kept = kept[1:]
	}
	return err
}
