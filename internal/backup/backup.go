// Package backup keeps the appliance's state safe: snapshots of the whole database with a portable
// bundle beside each, made on demand and on a schedule, kept within a bound, and the way back.
//
// A backup is the folder <backup_dir>/<id>/ with bty.db, inventory.json and manifest.json, whose
// sums it was verified against. It is made under another name and renamed when it is whole and on
// the disk, and renamed away before it is deleted: what carries an ID is complete.
package backup

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/job"
	"bty/internal/ledger"
	"bty/internal/message"
	"bty/internal/settings"
	"bty/internal/store"
)

// Trigger is why a backup is made.
type Trigger string

const (
	ByHand     Trigger = "manual"
	BySchedule Trigger = "scheduled"
	ForRestore Trigger = "restore" // of the state that a restore replaces
)

const (
	worker     = "backup" // what the live streams call this kind of work
	keptInList = 100      // jobs that have ended and are still listed
)

// What is taken at most, whoever sends it.
const (
	maxBundle   = 512 << 20 // bytes of an inventory.json, which is held in memory
	maxDatabase = 8 << 30   // bytes of a database to restore: what the store allows itself
	maxSource   = 200       // characters of the name that an event has for what was sent
)

// BundleLimit is how many bytes a bundle to import may have.
func (m *Manager) BundleLimit() int64 { return min(maxBundle, m.Largest) }

// DatabaseLimit is how many bytes a database to restore may have.
func (m *Manager) DatabaseLimit() int64 { return min(maxDatabase, m.Largest) }

func sourceName(name string) string { return fmt.Sprintf("%.*s", maxSource, name) }

// Config is what a Manager is made of.
type Config struct {
	Store    *store.Store
	Fleet    *fleet.Fleet
	Ledger   *ledger.Ledger
	Log      *slog.Logger
	Now      func() time.Time
	Dir      string // of the backups
	Database string // path of the database, in whose folder a restore is made ready
	Version  string // of this program
	Parallel int    // backups made at one time
	Largest  int64  // upload that is taken, in bytes

	// Schedule is what the operator set.
	Schedule func() settings.Backup
	// Ran has what is stored read again, once the schedule's backup has moved its anchor.
	Ran func() error
	// Switch has the process come back on another database. It is called once and must not wait.
	Switch func(Switch)
	// Last is how the last restore ended, nil if this process has seen none.
	Last *Outcome
}

// Detail is what a job tells about itself.
type Detail struct {
	Trigger  Trigger
	Stage    string // for people: copying, verifying, listing
	Machines int
	Done     int64 // bytes written
	Total    int64 // bytes of the database, 0 while not known
	Dest     string
}

// State is one job.
type State = job.State[Detail]

// Manager makes backups and restores them. It is safe for concurrent use.
type Manager struct {
	Config
	pool   *job.Pool[Detail]
	folder folder

	importing sync.Mutex  // a bundle is held in memory: one at a time
	leaving   atomic.Bool // a restore was handed over
	restoring sync.Mutex  // held while a restore is made ready; never let go once it is handed over

	mu      sync.Mutex
	begun   time.Time // when this process began, to the second
	lastID  ID
	trouble trouble
	cancels map[ID]netip.Addr // who cancelled a job at work
}

// New returns a Manager over the backups that are there. Nothing else may work in the folder: what
// an interrupted backup left is removed.
func New(c Config) *Manager {
	m := &Manager{Config: c, folder: folder{c.Dir}, begun: c.Now().UTC().Truncate(time.Second), cancels: map[ID]netip.Addr{}}
	if err := m.folder.prepare(); err != nil { // machines are served all the same, and each backup says so
		c.Log.Warn("backups cannot be made", message.BackupsImpossible, "path", c.Dir, "err", err)
	}
	sweepStaged(c.Database)
	m.pool = job.New(job.Config[Detail]{
		Name: worker, Workers: c.Parallel, Kept: keptInList, Now: c.Now, Log: c.Log, Do: m.do,
		Changed: func(s State) { c.Ledger.Worker(worker, s.Key, string(s.Status)) },
	})
	return m
}

// Run makes the backups that are asked for until ctx ends.
func (m *Manager) Run(ctx context.Context) error { return m.pool.Run(ctx) }

// Begin queues a backup.
func (m *Manager) Begin(ctx context.Context, trigger Trigger, from netip.Addr) (State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.begin(ctx, trigger, from)
}

// begin needs m.mu.
func (m *Manager) begin(ctx context.Context, trigger Trigger, from netip.Addr) (State, error) {
	id := m.newID()
	state, _, err := m.pool.EnqueueRecorded(string(id), Detail{Trigger: trigger}, func() error {
		return m.record(ctx, requested(id, trigger, from, m.Now()))
	})
	return state, err
}

// newID is an ID that no backup has or had: not one on the disk, and not one that an earlier
// process gave away in the second in which this one began.
func (m *Manager) newID() ID {
	at := m.Now().UTC().Truncate(time.Second)
	if at.Equal(m.begun) {
		at = at.Add(time.Second)
	}
	for nth := 0; ; nth++ {
		id := nthID(at, nth)
		if Compare(id, m.lastID) > 0 && !m.folder.has(id) {
			m.lastID = id
			return id
		}
		if last := m.lastID.At(); last.After(at) { // the clock went back
			at, nth = last, 0
		}
	}
}

// Jobs lists the backups that wait and are made, and the last that have ended.
func (m *Manager) Jobs() []State { return m.pool.List() }

// Job returns one of Jobs.
func (m *Manager) Job(id string) (State, error) {
	s, found := m.pool.Get(id)
	if !found {
		return s, noJob(id)
	}
	return s, nil
}

// Wait returns the job once it has ended.
func (m *Manager) Wait(ctx context.Context, id string) (State, error) { return m.pool.Wait(ctx, id) }

// Cancel ends a backup that waits or is made. One that has ended stays as it is.
func (m *Manager) Cancel(ctx context.Context, id string, from netip.Addr) (State, error) {
	m.mu.Lock()
	before, found := m.pool.Get(id)
	if found && !before.Status.Ended() {
		m.cancels[ID(id)] = from
	}
	m.mu.Unlock()
	state, found := m.pool.Cancel(id)
	if !found {
		return state, noJob(id)
	}
	if before.Status == job.Queued && state.Status == job.Cancelled {
		m.takeCancel(ID(id))
		return state, m.record(ctx, cancelled(ID(id), event.Operator, from, "operator", m.Now()))
	}
	return state, nil
}

func (m *Manager) takeCancel(id ID) netip.Addr {
	m.mu.Lock()
	defer m.mu.Unlock()
	from := m.cancels[id]
	delete(m.cancels, id)
	return from
}

func noJob(id string) error { return fault.New(fault.NotFound, "no active backup for id '%.60s'", id) }

// record stores events that belong to no other change.
func (m *Manager) record(ctx context.Context, events ...event.Event) error {
	return m.commit(ctx, func(*store.Tx) ([]event.Event, error) { return events, nil })
}

func (m *Manager) commit(ctx context.Context, fn func(*store.Tx) ([]event.Event, error)) error {
	return ledger.Commit(ctx, m.Ledger, m.Store.Update, fn)
}
