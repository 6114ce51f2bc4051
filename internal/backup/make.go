package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/job"
	"bty/internal/machine"
	"bty/internal/message"
	"bty/internal/settings"
	"bty/internal/store"
)

// do makes one backup, from its first event to its last.
func (m *Manager) do(ctx context.Context, j *job.Job[Detail]) error {
	id, trigger := ID(j.Key), j.Detail().Trigger
	always := context.WithoutCancel(ctx) // what happened is recorded, however it ends
	err := m.record(always, started(id, trigger, m.Now()))
	if err == nil {
		err = m.make(ctx, id, j)
	}
	from := m.takeCancel(id)
	switch cause := context.Cause(ctx); {
	case err == nil:
		return m.succeed(always, id, j.Detail())
	case errors.Is(cause, job.ErrCancelled):
		return errors.Join(cause, m.record(always, cancelled(id, event.Operator, from, "operator", m.Now())))
	case errors.Is(cause, job.ErrStopping):
		return errors.Join(cause, m.record(always, cancelled(id, event.System, netip.Addr{}, "shutdown", m.Now())))
	}
	m.fail(always, id, j.Detail(), err)
	return err
}

// succeed records the backup, and then deletes those that are too many: it is completed only
// after that.
func (m *Manager) succeed(ctx context.Context, id ID, d Detail) error {
	now := m.Now()
	err := m.commit(ctx, func(tx *store.Tx) ([]event.Event, error) {
		if d.Trigger != BySchedule {
			return []event.Event{created(id, d, now)}, nil
		}
		return []event.Event{created(id, d, now)}, tx.PutSetting(string(settings.BackupLastRun), now.UTC().Format(time.RFC3339Nano))
	})
	if err == nil && d.Trigger == BySchedule {
		err = m.Ran()
	}
	if err != nil {
		err = fmt.Errorf("backup %s was made, but that could not be recorded: %w", id, err)
		if d.Trigger == BySchedule { // which is due still: without a pause it would fill the disk
			m.scheduleFailed(err)
		}
		return err
	}
	if d.Trigger == BySchedule {
		m.mu.Lock()
		m.trouble = trouble{}
		m.mu.Unlock()
	}
	if d.Trigger != ForRestore { // what is being restored may be the oldest
		m.prune(ctx)
	}
	return nil
}

// fail records why there is no backup.
func (m *Manager) fail(ctx context.Context, id ID, d Detail, err error) {
	var next time.Time
	if d.Trigger == BySchedule {
		next = m.scheduleFailed(err)
	}
	if recordErr := m.record(ctx, failed(id, d, err, next, m.Now())); recordErr != nil {
		m.Log.Error("a backup failed, and that could not be recorded", message.OfKind(event.BackupFailed), "backup", id, "err", errors.Join(err, recordErr))
		return
	}
	m.Log.Error("backup failed", message.OfKind(event.BackupFailed), "backup", id, "trigger", d.Trigger, "next", next, "err", err)
}

// make writes the folder of a backup and gives it its name.
func (m *Manager) make(ctx context.Context, id ID, j *job.Job[Detail]) error {
	dir := filepath.Join(m.Dir, partialPrefix+string(id))
	if err := errors.Join(os.MkdirAll(m.Dir, 0o700), os.Mkdir(dir, 0o700)); err != nil {
		return fault.Wrap(fault.Internal, err, "no folder can be made for a backup in %s: %v. Let the user of bty-web write there, or set [paths] backup_dir to another folder", m.Dir, errnoOf(err))
	}
	err := m.fill(ctx, dir, id, j)
	if err == nil {
		err = m.publish(dir, id, j)
	}
	if err != nil {
		_ = os.RemoveAll(dir) // err is what matters; the next start sweeps
		if isFull(err) {
			err = fault.Wrap(fault.Full, err, "the disk of %s is full; nothing was kept of backup %s. Delete old backups, keep fewer (backup.retention_count), or set [paths] backup_dir to another disk", m.Dir, id)
		}
	}
	return err
}

func (m *Manager) fill(ctx context.Context, dir string, id ID, j *job.Job[Detail]) error {
	manifest := Manifest{Version: manifestVersion, ID: id, Trigger: j.Detail().Trigger, MadeAt: m.Now().UTC(), MadeBy: m.Version, Files: map[string]File{}}
	p := paceOf(m.Store.Commits, j.Detail().Trigger)
	var err error
	if manifest.Files[snapshotName], err = m.snapshot(ctx, filepath.Join(dir, snapshotName), p, j); err != nil {
		return err
	}
	j.Update(func(d *Detail) { d.Stage = "verifying" })
	kept, err := store.OpenCopy(filepath.Join(dir, snapshotName), p.breathe)
	if err != nil {
		return fmt.Errorf("verify the copy: %w", err)
	}
	defer kept.Close()
	if err := manifest.describe(kept); err != nil {
		return err
	}
	j.Update(func(d *Detail) { d.Stage, d.Machines = "listing", manifest.Machines })
	if manifest.Files[inventoryName], err = m.inventory(ctx, dir, kept, p, j, &manifest); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return err
	}
	_, err = writeFile(ctx, filepath.Join(dir, manifestName), p, nil, func(w *output) error { _, err := w.Write(append(raw, '\n')); return err })
	return err
}

// inventory writes the bundle from the copy, not from the database that everybody works with.
func (m *Manager) inventory(ctx context.Context, dir string, kept *store.Copy, p *pace, j *job.Job[Detail], manifest *Manifest) (File, error) {
	return writeFile(ctx, filepath.Join(dir, inventoryName), p, j, func(w *output) error {
		return kept.View(func(tx *store.Tx) error {
			return writeBundle(w, tx, manifest.MadeAt, m.Version, func(mc machine.Machine) error {
				flashes, err := fleet.WillFlash(tx, mc)
				if flashes {
					manifest.WillFlash++
				}
				p.breathe()
				return errors.Join(err, context.Cause(ctx))
			})
		})
	})
}

func (m *Manifest) describe(kept *store.Copy) error {
	about, err := kept.About()
	if err != nil {
		return fmt.Errorf("verify the copy: %w", err)
	}
	m.Schema, m.Machines, m.Images, m.Events = about.Schema, about.Machines, about.Images, about.Events
	return nil
}

// publish gives the folder its name once all of it is on the disk.
func (m *Manager) publish(dir string, id ID, j *job.Job[Detail]) error {
	if err := store.SyncDir(dir); err != nil {
		return err
	}
	if err := os.Rename(dir, m.folder.path(id)); err != nil {
		return err
	}
	j.Update(func(d *Detail) { d.Dest, d.Stage = m.folder.path(id), "" })
	return store.SyncDir(m.Dir)
}

// errnoOf is what the system said, without the path that goes with it.
func errnoOf(err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	return err
}

// spare is what a backup leaves free, so that the database beside it can go on.
const spare = 16 << 20

// room refuses what the disk of dir has no space for.
func (m *Manager) room(dir string, need int64, what string) error {
	have, err := free(dir)
	if err != nil {
		return err
	}
	if need += spare; have < need {
		return fault.New(fault.Full, "%s needs %s, and %s has %s free. Delete old backups, keep fewer (backup.retention_count), or set [paths] backup_dir to another disk",
			what, mebibytes(need), dir, mebibytes(have))
	}
	return nil
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
