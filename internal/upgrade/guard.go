package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"bty/internal/deploy"
	"bty/internal/store"
)

// Guard is what systemd runs before each start of the server, as long as an upgrade is under way. No
// server has the database open then. Which release is about to start is told by the content of files:
// a version can be the same, and a program that crashes says none.
type Guard struct {
	Database string            `json:"database"`
	Old      map[string]string `json:"old"` // digests of the files that mark the old release
}

const (
	guardFile = "guard.json"
	backName  = "going-back" // its presence says that the old release is to come back
	noteName  = "put-back"   // says what was done to the database
	aside     = ".after-upgrade-"
)

// arm makes the guard ready in the folder of a snapshot.
func (u *Upgrade) arm(ctx context.Context, folder string, r Record) error {
	g := Guard{Database: r.Look.Database, Old: map[string]string{}}
	for _, path := range r.Look.Marks {
		sum, err := digestOf(path)
		if err != nil {
			return err
		}
		g.Old[path] = sum
	}
	raw, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		return err
	}
	if err := deploy.ReplaceFile(filepath.Join(folder, guardFile), raw, 0o600); err != nil {
		return err
	}
	return u.equip(ctx, folder)
}

// equip puts this program beside what it works on: a package under it is exchanged meanwhile.
func (u *Upgrade) equip(ctx context.Context, folder string) error {
	to := filepath.Join(folder, guardName)
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	if _, err := copyFile(ctx, u.Self, to); err != nil {
		return err
	}
	return os.Chmod(to, 0o700)
}

// prove has systemd run the guard as it will have to. One that it may not run, on a file system without
// programs for example, would keep the old release from coming back.
func (u *Upgrade) prove(ctx context.Context, folder string) error {
	if !u.Guarded {
		return nil
	}
	_, err := tool(ctx, "systemd-run", append(u.ofManager(), "--quiet", "--wait", "--collect", filepath.Join(folder, guardName), "version")...)
	if err != nil {
		return refused("guard", fmt.Sprintf("systemd cannot run a program in %s: %v", folder, err),
			"Choose a folder that programs may be run in (findmnt -T FOLDER shows noexec), as the last word of the command: bty-lab upgrade DIR")
	}
	return nil
}

// ReadGuard reads what arm wrote.
func ReadGuard(folder string) (g Guard, err error) {
	raw, err := os.ReadFile(filepath.Join(folder, guardFile))
	if err == nil {
		err = json.Unmarshal(raw, &g)
	}
	return g, err
}

// Stand does the guard's work: the old release gets its database back if it was given up, any other
// release gets one that was kept before. What it did is returned for the journal, "" for nothing.
func (g Guard) Stand(ctx context.Context, folder string) (string, error) {
	old, err := g.isOld()
	switch {
	case err != nil:
		return "", err
	case !old:
		return g.keep(ctx, folder)
	}
	if _, err := os.Stat(filepath.Join(folder, backName)); err != nil {
		return "", nil
	}
	return g.putBack(ctx, folder)
}

func (g Guard) isOld() (bool, error) {
	for path, want := range g.Old {
		got, err := digestOf(path)
		if err != nil || got != want {
			return false, err
		}
	}
	return true, nil
}

// keep copies the database as the old release left it, once.
func (g Guard) keep(ctx context.Context, folder string) (string, error) {
	kept := filepath.Join(folder, databaseName)
	if _, err := os.Stat(kept); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if _, err := os.Stat(g.Database); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if _, err := copyFile(ctx, g.Database, kept); err != nil {
		return "", fmt.Errorf("keep the database before the new release opens it: %w", err)
	}
	return fmt.Sprintf("kept %s as %s before another release opens it", g.Database, kept), nil
}

// putBack has the old release find a database that it knows. One that it knows stays, with all that was
// written to it since: only what the new release has migrated, or damaged, is put aside.
func (g Guard) putBack(ctx context.Context, folder string) (string, error) {
	kept := filepath.Join(folder, databaseName)
	if _, err := os.Stat(kept); errors.Is(err, fs.ErrNotExist) {
		return "", nil // the new release never opened it
	}
	why, err := unfit(g.Database, kept)
	if why == "" || err != nil {
		return "", err
	}
	ready := g.Database + ".put-back"
	if _, err := copyFile(ctx, kept, ready); err != nil {
		return "", fmt.Errorf("put the database back: %w", err)
	}
	gone, err := setAside(g.Database, g.Database+aside+filepath.Base(folder))
	if err != nil {
		return "", fmt.Errorf("put the new release's database aside: %w", err)
	}
	if err := os.Rename(ready, g.Database); err != nil {
		return "", fmt.Errorf("put the database back: %w", err)
	}
	note := fmt.Sprintf("%s was put back as the old release left it, because %s. What the new release made of it, with all that was written to it since, is %s", g.Database, why, gone)
	return note, errors.Join(store.SyncDir(filepath.Dir(g.Database)), deploy.ReplaceFile(filepath.Join(folder, noteName), []byte(note), 0o600))
}

// setAside gives a database a second name, one that no other has: that of a way back which was cut off, and
// after which another release ran again, is a database of its own.
func setAside(database, name string) (string, error) {
	now, err := os.Stat(database)
	if errors.Is(err, fs.ErrNotExist) {
		return name, nil
	}
	if err != nil {
		return "", err
	}
	const most = 100
	for n, first := 2, name; n < most; n++ {
		err := os.Link(database, name)
		if !errors.Is(err, fs.ErrExist) {
			return name, err
		}
		if there, err := os.Stat(name); err == nil && os.SameFile(there, now) {
			return name, nil // a run that was cut off has done it
		}
		name = fmt.Sprintf("%s.%d", first, n)
	}
	return "", fmt.Errorf("%s and %d more are there already", name, most)
}

func putBackNote(folder string) string {
	note, err := os.ReadFile(filepath.Join(folder, noteName))
	if err != nil {
		return ""
	}
	return string(note)
}

// unfit says why the old release cannot go on with the database, "" if it can.
func unfit(database, kept string) (string, error) {
	before, err := schemaOf(kept)
	if err != nil {
		return "", fmt.Errorf("the kept copy: %w", err)
	}
	now, err := schemaOf(database)
	switch {
	case errors.As(err, new(*store.NewerError)):
		return "the new release has brought it to a schema that the old one does not know", nil
	case errors.As(err, new(*store.DamagedError)), errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("it cannot be read any more (%v)", err), nil
	case err != nil:
		return "", err
	case now != before:
		return fmt.Sprintf("the new release has brought it from schema %d to %d", before, now), nil
	}
	return "", nil
}

func schemaOf(path string) (uint32, error) {
	file, err := store.OpenCopy(path, func() {})
	if err != nil {
		return 0, err
	}
	about, err := file.About()
	return about.Schema, errors.Join(err, file.Close())
}

// ofManager has a program of systemd speak to the one that runs the appliance.
func (u *Upgrade) ofManager() []string {
	if u.Site.User != nil {
		return []string{"--user"}
	}
	return nil
}

// dropIn also bounds how long a release may hang in its start, in the way of those who wait for it.
func dropIn(folder string, limit time.Duration) string {
	return fmt.Sprintf("# Made by bty-lab upgrade, which removes it when it has ended; so does: bty-lab upgrade --back\n"+
		"[Service]\nExecStartPre=+%s upgrade-guard %s\nTimeoutStartSec=%.0f\n", filepath.Join(folder, guardName), folder, limit.Seconds())
}

// server is the unit that opens the database, in every mode.
const server = "bty-web.service"

// hold puts the guard in force; release lifts it.
func (u *Upgrade) hold(ctx context.Context, r Record) error {
	if !u.Guarded {
		return nil
	}
	if err := u.equip(ctx, u.folder(r)); err != nil {
		return err
	}
	path := u.Site.Guard() // a power cut in the middle does not remove it
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := deploy.ReplaceFile(path, []byte(dropIn(u.folder(r), u.Limit)), 0o644); err != nil {
		return err
	}
	return u.Manager.Reload(ctx)
}

// release works without a record, too: somebody may have removed the snapshot that the drop-in names.
func (u *Upgrade) release(ctx context.Context) error {
	if !u.Guarded {
		return nil
	}
	path := u.Site.Guard()
	if err := os.Remove(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	_ = os.Remove(filepath.Dir(path)) // unless the site has others in it
	return u.Manager.Reload(ctx)
}
