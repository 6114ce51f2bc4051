package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/job"
	"bty/internal/ledger"
	"bty/internal/machine"
	"bty/internal/message"
	"bty/internal/store"
)

// Switch is another database that is ready to become the state.
type Switch struct {
	Restoring
	Database string // path of the state
	Staged   string // path of what is to take its place
	Kept     string // where the present one is kept, as it was at its last write
}

// Restoring is what is told of a restore before it happens.
type Restoring struct {
	Source    string    // ID of the backup, or the name of a file
	Safety    ID        // backup of the state that is replaced
	At        time.Time // when it was asked for
	Kept      string    // name of the file that the replaced database is kept under
	Machines  int
	Events    int
	WillFlash int // machines that flash at their next boot if it is restored
	MadeBy    string
	Schema    uint32
}

const (
	stagedSuffix = ".restore" // of a database that is made ready
	keptInfix    = ".before-restore-"
	keptLayout   = "20060102T150405.000000Z" // two restores in one second keep two
	keptReplaced = 3                         // replaced databases that are kept beside the present one
)

// sweepStaged removes what an interrupted restore left.
func sweepStaged(database string) { _ = os.Remove(database + stagedSuffix) } // there is none, most often

// Restore makes the process come back on the snapshot of a backup. It is verified and opened
// first, and the present state is backed up.
func (m *Manager) Restore(ctx context.Context, id string, from netip.Addr) (Restoring, error) {
	s, err := m.folder.get(id)
	if err != nil {
		return Restoring{}, err
	}
	if s.Problem != "" {
		return Restoring{}, fault.New(fault.Conflict, "backup %s cannot be restored: %s", id, s.Problem)
	}
	file, err := m.open(id, snapshotName)
	if err != nil {
		return Restoring{}, err
	}
	defer file.Close()
	return m.restore(ctx, id, file, s.Manifest.Files[snapshotName], from)
}

// RestoreFrom does the same with a database that comes from elsewhere. size is -1 if it is not known.
func (m *Manager) RestoreFrom(ctx context.Context, name string, r io.Reader, size int64, from netip.Addr) (Restoring, error) {
	return m.restore(ctx, sourceName(name), r, File{Size: size}, from)
}

func (m *Manager) restore(ctx context.Context, source string, r io.Reader, want File, from netip.Addr) (Restoring, error) {
	if !m.restoring.TryLock() {
		return Restoring{}, fault.New(fault.Conflict, "another restore is under way; wait until it has ended")
	}
	staged := m.Database + stagedSuffix
	ready := Restoring{Source: source, At: m.Now().UTC()}
	err := m.stage(ctx, staged, r, want, &ready)
	if err == nil {
		ready.Safety, err = m.secure(ctx, from)
	}
	if err == nil {
		ready.Kept = filepath.Base(m.Database) + keptInfix + ready.At.Format(keptLayout)
		err = m.note(staged, restored(ready, from))
	}
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx) // whoever asked is gone: nothing happened yet
	}
	if err != nil {
		_ = os.Remove(staged) // err is what matters
		m.restoring.Unlock()
		return Restoring{}, m.restoreFault(err, source)
	}
	m.Log.Warn("a database is restored: this process comes back on it", message.RestoreBegins, "source", source, "safety", ready.Safety, "kept", ready.Kept)
	m.leaving.Store(true)
	m.Switch(Switch{Restoring: ready, Database: m.Database, Staged: staged, Kept: filepath.Join(filepath.Dir(m.Database), ready.Kept)})
	return ready, nil
}

// Leaving reports whether the process is about to come back on another database.
func (m *Manager) Leaving() bool { return m.leaving.Load() }

func (m *Manager) restoreFault(err error, source string) error {
	if isFull(err) {
		return fault.Wrap(fault.Full, err, "the disk of %s is full; nothing was changed. Free space there and restore %s again", filepath.Dir(m.Database), source)
	}
	return err
}

// stage copies the database beside the present one, proves that it is whole and that this release
// can work on it, and looks into it.
func (m *Manager) stage(ctx context.Context, staged string, r io.Reader, want File, ready *Restoring) error {
	if err := os.Remove(staged); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove what an earlier restore left: %w", err)
	}
	if err := m.room(filepath.Dir(staged), max(want.Size, 0), "the restore of "+ready.Source); err != nil {
		return err
	}
	got, err := writeFile(ctx, staged, &pace{}, nil, func(w *output) error { _, err := io.Copy(w, r); return err })
	switch {
	case err != nil:
		return err
	case want.Size >= 0 && got.Size != want.Size:
		return fault.New(fault.Rejected, "%s was cut short: %d of %d bytes came; nothing was changed", ready.Source, got.Size, want.Size)
	case want.SHA256 != "" && got.SHA256 != want.SHA256:
		return fault.New(fault.Conflict, "backup %s is damaged: the SHA-256 of its database is not the one it was verified with; nothing was changed. Restore another one", ready.Source)
	}
	return Prove(staged, m.Version, ready)
}

// Prove opens a database as the server would, with its migrations, and says what is in it.
func Prove(path, version string, ready *Restoring) error {
	if err := lookInto(path, ready); err != nil {
		return unusable(ready.Source, err)
	}
	opened, err := store.Open(path, version)
	if err != nil {
		return unusable(ready.Source, err)
	}
	return opened.Abandon()
}

func lookInto(path string, ready *Restoring) error {
	kept, err := store.OpenCopy(path, (&pace{}).breathe)
	if err != nil {
		return err
	}
	defer kept.Close()
	about, err := kept.About()
	if err != nil {
		return err
	}
	ready.Machines, ready.Events, ready.Schema, ready.MadeBy = about.Machines, about.Events, about.Schema, about.CreatedBy
	return kept.View(func(tx *store.Tx) error {
		return tx.EachMachine(func(mc machine.Machine) (err error) {
			flashes := fleet.Flashes(mc) // an older release had no rules
			if about.HasSettings() {
				flashes, err = fleet.WillFlash(tx, mc)
			}
			if flashes {
				ready.WillFlash++
			}
			return err
		})
	})
}

// unusable says why a database cannot become the state, in words for whoever gave it.
func unusable(source string, err error) error {
	if newer, ok := errors.AsType[*store.NewerError](err); ok {
		return fault.Wrap(fault.Rejected, err, "%s is from a newer release: it has schema %d and this release knows up to %d; nothing was changed. Install that release and restore it there", source, newer.Have, newer.Newest)
	}
	if damaged, ok := errors.AsType[*store.DamagedError](err); ok {
		return fault.Wrap(fault.Rejected, err, "%s is not a bty database, or a damaged one (%v); nothing was changed. Give the bty.db of a backup", source, damaged.Cause)
	}
	return fmt.Errorf("open the database to restore: %w", err)
}

// secure makes a backup of the present state and waits for it.
func (m *Manager) secure(ctx context.Context, from netip.Addr) (ID, error) {
	state, err := m.Begin(ctx, ForRestore, from)
	if err != nil {
		return "", err
	}
	state, err = m.pool.Wait(ctx, state.Key)
	switch {
	case err != nil:
		return "", err
	case state.Status == job.Completed:
		return ID(state.Key), nil
	case state.Err != nil:
		return "", fault.Wrap(fault.KindOf(state.Err), state.Err, "the present state could not be backed up, so nothing was restored: %s", fault.Public(state.Err))
	}
	return "", fault.New(fault.Conflict, "the backup of the present state was cancelled, so nothing was restored")
}

func restored(r Restoring, from netip.Addr) event.Event {
	summary := fmt.Sprintf("restored from %s: %d machines; the state before it is backup %s, and with its last writes %s", r.Source, r.Machines, r.Safety, r.Kept)
	switch {
	case r.Safety == "" && r.Kept == "":
		summary = fmt.Sprintf("restored from %s: %d machines", r.Source, r.Machines)
	case r.Safety == "":
		summary = fmt.Sprintf("restored from %s: %d machines; the database before it is kept as %s", r.Source, r.Machines, r.Kept)
	}
	return event.Event{At: r.At, Kind: event.BackupRestored, SubjectKind: event.Backup, SubjectID: r.Source, Actor: event.Operator, SourceIP: from,
		Summary: summary,
		Details: ledger.Details(struct {
			Source    string `json:"source"`
			Safety    *ID    `json:"safety_backup_id"`
			Kept      string `json:"kept"`
			Machines  int    `json:"machines"`
			WillFlash int    `json:"will_flash"`
		}{r.Source, orNull(r.Safety), r.Kept, r.Machines, r.WillFlash})}
}

func orNull(id ID) *ID {
	if id == "" {
		return nil
	}
	return &id
}

// note is note with what does not go back with the rest of the state: who was shut out.
func (m *Manager) note(staged string, e event.Event) error {
	var out shutOut
	if err := m.Store.View(func(tx *store.Tx) (err error) { out, err = readShutOut(tx); return err }); err != nil {
		return err
	}
	return note(staged, e, m.Version, out)
}

// note stores an event in a database that nobody serves yet: what says that it was restored comes
// with it, or not at all.
func note(path string, e event.Event, version string, out shutOut) error {
	s, err := store.Open(path, version)
	if err != nil {
		return fmt.Errorf("note the restore: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Run(ctx) }() // it has no other error than those of Update
	err = s.Update(ctx, func(tx *store.Tx) error {
		if err := out.keep(tx); err != nil {
			return err
		}
		return tx.AppendEvent(&e)
	})
	stop()
	<-ended
	return errors.Join(err, s.Close())
}
