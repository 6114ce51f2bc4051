package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"bty/internal/owner"
)

// A migration is the way into a newer release, and there is none out of it: that release's predecessor refuses
// what it leaves. Whoever brings the release, a package manager or somebody with a container image, may have
// made no backup, so the file is kept as it was beside itself.

// Kept is a database as an earlier release left it.
type Kept struct {
	Path   string
	Schema uint32 // that it has
	Newest uint32 // that it was migrated to
	Bytes  int64
}

const (
	keptInfix = ".schema" // then the schema, a dash, and when it was kept
	keptTime  = "2006-01-02T15-04-05Z"
	keptMost  = 2
	keptPart  = ".keeping" // one that is being made
)

// OpenLive opens the database of an appliance as Open does. One that has to be migrated is copied before, which
// is what kept says; one that cannot be copied is not migrated.
func OpenLive(path, version string) (s *Store, kept *Kept, err error) {
	s, err = openKeeping(path, version, func(have uint32) (err error) {
		kept, err = keep(path, have)
		return err
	})
	return s, kept, err
}

// KeepError is a database that was not migrated, because it could not be kept as it is.
type KeepError struct {
	Path         string
	Have, Newest uint32
	Bytes        int64
	Cause        error
}

func (e *KeepError) Error() string {
	return fmt.Sprintf("%s has schema %d, this release needs %d, and a copy of it cannot be kept for the way back: %v. It was left untouched. Make room for %.1f MiB in %s and start again, or install the release before this one again",
		e.Path, e.Have, e.Newest, e.Cause, float64(e.Bytes)/(1<<20), filepath.Dir(e.Path))
}

func (e *KeepError) Unwrap() error { return e.Cause }

// keep copies a file that nobody else writes. One that was kept already, before a start that was cut off, is not
// copied again.
func keep(path string, have uint32) (*Kept, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	kept := &Kept{Schema: have, Newest: uint32(len(migrations)), Bytes: info.Size()}
	for _, there := range keptBeside(path) {
		if about, err := os.Stat(there); err == nil && schemaIn(path, there) == int(have) && about.Size() == info.Size() && about.ModTime().Equal(info.ModTime()) {
			kept.Path = there
			return kept, nil
		}
	}
	kept.Path = fmt.Sprintf("%s%s%d-%s", path, keptInfix, have, time.Now().UTC().Format(keptTime))
	if err := copyWhole(path, kept.Path, info); err != nil {
		return nil, &KeepError{path, have, kept.Newest, info.Size(), err}
	}
	return kept, prune(path, kept.Path)
}

// copyWhole makes a copy with owner, mode and time, under its name once it is on the disk.
func copyWhole(from, to string, info os.FileInfo) error {
	partial := filepath.Join(filepath.Dir(to), filepath.Base(from)+keptPart)
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.Remove(partial); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	out, err := os.OpenFile(partial, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // root may be who imports: no link is followed
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		err = errors.Join(err, out.Chown(int(owner.Uid), int(owner.Gid)))
	}
	if err = errors.Join(err, out.Sync(), out.Close()); err == nil {
		err = os.Chtimes(partial, info.ModTime(), info.ModTime())
	}
	if err == nil {
		err = os.Rename(partial, to)
	}
	if err != nil {
		_ = os.Remove(partial) // err is what matters
		return err
	}
	return SyncDir(filepath.Dir(to))
}

// keptBeside are the copies beside a database, in the order in which they were made.
func keptBeside(path string) []string {
	found, _ := filepath.Glob(path + keptInfix + "*-*Z") // the pattern is right
	made := func(name string) string { return name[max(0, len(name)-len(keptTime)):] }
	slices.SortFunc(found, func(a, b string) int { return strings.Compare(made(a), made(b)) })
	return found
}

// schemaIn is what the name of a copy says, -1 if it says none.
func schemaIn(path, kept string) int {
	schema := -1
	_, _ = fmt.Sscanf(strings.TrimPrefix(kept, path+keptInfix), "%d-", &schema) // -1 is the answer then
	return schema
}

// prune removes all copies but the newest. The one that was just made stays whatever a clock says.
func prune(path, made string) (err error) {
	left := slices.DeleteFunc(keptBeside(path), func(there string) bool { return there == made })
	for len(left) >= keptMost {
		err = errors.Join(err, os.Remove(left[0]))
		left = left[1:]
	}
	return err
}

// keptFor is the newest copy beside a database that a release can open, "" if there is none.
func keptFor(path string, newest int) string {
	for _, there := range slices.Backward(keptBeside(path)) {
		if schema := schemaIn(path, there); schema >= 0 && schema <= newest {
			return there
		}
	}
	return ""
}

// PutBack are the commands by which an earlier release finds the database again that was kept of it.
func PutBack(kept string) string { return putBack(kept, owner.InContainer()) }

// putBack: a container sees its volume elsewhere than the host does, whose bty-lab may be of the newer release:
// restored by that one, the database would be migrated again.
func putBack(kept string, contained bool) string {
	if contained {
		return `on the host, with bty-web and its sockets stopped: cd "$(podman volume inspect --format '{{.Mountpoint}}' bty-data)" && mv --backup=numbered bty.db bty.db.set-aside && cp -p ` +
			filepath.Base(kept) + " bty.db; then start it (docs/upgrade.md has all commands)"
	}
	return "systemctl stop bty-web.socket bty-control.socket bty-report.socket bty-web.service && bty-lab restore " + kept + " && systemctl start bty-web.socket"
}
