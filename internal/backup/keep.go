package backup

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/message"
	"bty/internal/wire"
)

// List returns the backups on the disk, newest first.
func (m *Manager) List() ([]Stored, error) { return m.folder.list() }

// Get returns one backup.
func (m *Manager) Get(id string) (Stored, error) { return m.folder.get(id) }

// Delete removes a backup.
func (m *Manager) Delete(ctx context.Context, id string) (wire.BackupRemoved, error) {
	s, err := m.folder.get(id)
	if err != nil {
		return wire.BackupRemoved{}, err
	}
	if err := m.folder.remove(s.ID); err != nil {
		return wire.BackupRemoved{}, err
	}
	return s.Removed(), m.record(ctx, deleted(s, m.Now()))
}

// Inventory opens the bundle of a backup, Snapshot its database.
func (m *Manager) Inventory(id string) (*os.File, error) { return m.open(id, inventoryName) }

// Snapshot opens the database in a backup.
func (m *Manager) Snapshot(id string) (*os.File, error) { return m.open(id, snapshotName) }

func (m *Manager) open(id, name string) (*os.File, error) {
	s, err := m.folder.get(id)
	if err != nil {
		return nil, err
	}
	if !s.has(name) {
		return nil, fault.New(fault.NotFound, "backup %s has no %s", id, name)
	}
	return os.Open(filepath.Join(s.Path, name))
}

// prune deletes the oldest backups beyond those that are kept. What cannot be deleted is tried
// again after the next backup.
func (m *Manager) prune(ctx context.Context) {
	keep := m.Schedule().Keep
	if keep < 1 {
		return
	}
	if err := m.pruneTo(ctx, keep); err != nil {
		m.Log.Warn("old backups could not be deleted; the next backup tries again", message.Leftovers, "err", err)
	}
}

func (m *Manager) pruneTo(ctx context.Context, keep int) error {
	all, err := m.folder.list()
	if err != nil || len(all) <= keep {
		return err
	}
	var events []event.Event
	for _, s := range all[keep:] {
		if err := m.folder.remove(s.ID); err != nil {
			return fmt.Errorf("%w (%d were deleted)", err, len(events))
		}
		events = append(events, pruned(s.ID, keep, m.Now()))
	}
	return m.record(ctx, events...)
}

// tickEvery is how often the schedule is looked at.
const tickEvery = time.Minute

// Keep makes the backups of the schedule until ctx ends.
func (m *Manager) Keep(ctx context.Context) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			m.tick(ctx)
		}
	}
}

func (m *Manager) tick(ctx context.Context) {
	_, _, err := m.BeginIfDue(ctx)
	if err != nil && ctx.Err() == nil {
		m.Log.Error("the scheduled backup could not begin", message.BackupsImpossible, "err", err)
	}
}

// BeginIfDue begins the schedule's backup if it is due and none is on its way. The outlook says what
// the schedule will do if began is nil.
func (m *Manager) BeginIfDue(ctx context.Context) (began *State, outlook Outlook, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if outlook = m.outlook(); !outlook.Due {
		return nil, outlook, nil
	}
	for _, s := range m.pool.List() {
		if s.Detail.Trigger == BySchedule && !s.Status.Ended() {
			return &s, outlook, nil
		}
	}
	state, err := m.begin(ctx, BySchedule, netip.Addr{})
	if err != nil {
		m.blame(err)
		return nil, outlook, err
	}
	return &state, outlook, nil
}

// Outlook is what the schedule will do.
func (m *Manager) Outlook() Outlook {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.outlook()
}

func (m *Manager) outlook() Outlook { return look(m.Schedule(), m.trouble, m.Now()) }

// scheduleFailed counts a failure of the schedule and says when it tries again.
func (m *Manager) scheduleFailed(err error) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.blame(err)
}

// blame needs m.mu.
func (m *Manager) blame(err error) time.Time {
	m.trouble.failures++
	m.trouble.last, m.trouble.reason = m.Now(), fault.Public(err)
	return m.trouble.retryAt()
}
