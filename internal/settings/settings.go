// Package settings holds what the operator sets at run time: the values stored in the database
// over those of the configuration, the configuration in force, and the use cases that change
// either. Reading a setting touches no disk.
package settings

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bty/internal/config"
	"bty/internal/ledger"
	"bty/internal/message"
)

// Tx is what the use cases need of one transaction.
type Tx interface {
	ledger.Appender
	Settings() (map[string]string, error)
	PutSetting(name, value string) error
	DeleteSetting(name string) error
}

// Store runs transactions. Update returns once its writes are on disk.
type Store interface {
	View(func(Tx) error) error
	Update(context.Context, func(Tx) error) error
}

// Config is what the settings work with.
type Config struct {
	Store  Store
	Ledger *ledger.Ledger
	Log    *slog.Logger
	Now    func() time.Time
	// Started is the configuration that the process started with; its source is read again.
	Started *config.Config
	// Apart are the daemons that do not see the file that is written here.
	Apart []string
}

// Settings answers what is set now. It is safe for concurrent use.
type Settings struct {
	Config
	inForce atomic.Pointer[values]
	changes subscribers

	mu       sync.Mutex // orders refreshes and reloads
	stored   map[string]string
	loaded   *config.Config
	watchers []func()
}

// New reads what is stored.
func New(c Config) (*Settings, error) {
	s := &Settings{Config: c, loaded: c.Started}
	return s, s.Refresh()
}

// Refresh reads again what is stored, after somebody else has changed it: a restore has.
func (s *Settings) Refresh() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var stored map[string]string
	if err := s.Store.View(func(tx Tx) (err error) { stored, err = tx.Settings(); return err }); err != nil {
		return err
	}
	s.stored = stored
	s.put()
	return nil
}

// put works out what is in force and tells those who wait for changes. s.mu is held.
func (s *Settings) put() {
	before, now := s.inForce.Load(), resolve(s.stored, s.loaded)
	for _, problem := range now.problems {
		if before == nil || !slices.Contains(before.problems, problem) {
			s.Log.Warn("a stored setting cannot be used; the configuration's value counts", message.StoredValueIgnored, "err", problem)
		}
	}
	s.inForce.Store(now)
	for _, tell := range s.watchers {
		tell()
	}
	s.changes.tell()
}

// Watch has fn called now and after each change, before whoever made the change hears that it is
// done: a password that was changed is in force. fn must be quick and must not change a setting.
func (s *Settings) Watch(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers = append(s.watchers, fn)
	fn()
}

// Subscribe returns a channel that gets a value after a change, until ctx ends. Changes that come
// while nobody reads are one.
func (s *Settings) Subscribe(ctx context.Context) <-chan struct{} { return s.changes.subscribe(ctx) }

// Loaded is the configuration as it was last read. Pending names what a restart must bring.
func (s *Settings) Loaded() *config.Config { return s.inForce.Load().config }

// Problems says which stored values cannot be used, and what is used instead.
func (s *Settings) Problems() []string { return s.inForce.Load().problems }

// Value is what a name stands for now, and where that came from.
func (s *Settings) Value(name Name) Value { return s.inForce.Load().text[name] }

// NetbootRepo is where live environments are fetched from: OWNER/NAME.
func (s *Settings) NetbootRepo() string { return s.Value(NetbootRepo).Text }

// NetbootTag is the release that is fetched when nobody names one.
func (s *Settings) NetbootTag() string { return s.Value(NetbootTag).Text }

// CatalogURL is the catalog that "fetch from release" imports.
func (s *Settings) CatalogURL() string { return s.Value(CatalogURL).Text }

// WithcacheURL is the cache that images are fetched through, "" for none.
func (s *Settings) WithcacheURL() string { return s.Value(WithcacheURL).Text }

// NbdmuxURL is the nbdmux server, "" for none.
func (s *Settings) NbdmuxURL() string { return s.Value(NbdmuxURL).Text }

// Zone is where times are shown.
func (s *Settings) Zone() *time.Location { return s.inForce.Load().zone }

// Backup is the schedule of backups.
func (s *Settings) Backup() Backup { return s.inForce.Load().backup }

// EventsKeepDays is how many days events are kept, 0 for ever.
func (s *Settings) EventsKeepDays() int { return s.inForce.Load().keepDays }

// Proxy is the reverse proxy that is trusted to say whom it asks for.
func (s *Settings) Proxy() config.Proxy { return s.inForce.Load().proxy }

// SessionEpoch changes when everybody is signed out.
func (s *Settings) SessionEpoch() string { return s.Value(SessionEpoch).Text }

// TakenOver is the mark of the previous system's database that was taken over last, "" for none.
func (s *Settings) TakenOver() string { return s.Value(TakenOver).Text }

// subscribers wait for changes.
type subscribers struct {
	mu  sync.Mutex
	all map[chan struct{}]struct{}
}

func (s *subscribers) subscribe(ctx context.Context) <-chan struct{} {
	ch := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[chan struct{}]struct{}{}
	}
	s.all[ch] = struct{}{}
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, ch)
		close(ch)
	})
	return ch
}

func (s *subscribers) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch := range s.all {
		select {
		case ch <- struct{}{}:
		default: // one is waiting already
		}
	}
}
