// Package imagecache is what bty-web does with the cache of images on its own host: it watches
// whether it is there, tells it the catalog, has it fetch what machines are going to want, and hands
// on what people ask of it. A cache is a help and never a condition: nothing waits for it but who
// asks it something.
package imagecache

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"bty/internal/client"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
	"bty/internal/library"
	"bty/internal/wire"
)

// Config is what a Keeper works with.
type Config struct {
	Socket string // path of the cache's control socket
	Agent  string // names this program to it
	Images *library.Library
	Book   ledger.Book
	Log    *slog.Logger
	Now    func() time.Time
	Every  time.Duration // how often the cache is looked at; 0 is lookEvery
}

// Keeper is bty-web's side of the cache. It is safe for concurrent use.
type Keeper struct {
	Config
	cache *client.Cache // of who asks
	watch *watch        // Run's alone

	changed  chan struct{}
	answered atomic.Int64 // when the cache, which knows the catalog, answered last, in Unix nanoseconds; 0 if it is gone

	asking singleflight.Group
	mu     sync.Mutex
	latest wire.CacheStatus
	asOf   time.Time // of latest
}

// New returns a Keeper that does nothing before Run.
func New(c Config) *Keeper {
	if c.Every == 0 {
		c.Every = lookEvery
	}
	return &Keeper{Config: c, cache: client.NewCache(c.Socket, c.Agent), watch: newWatch(c), changed: make(chan struct{}, 1)}
}

// Changed says that the catalog is another, or who its images are for.
func (k *Keeper) Changed() {
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// Hear is told what happens.
func (k *Keeper) Hear(e event.Event) {
	switch e.Kind {
	case event.EntryAdded, event.EntryChanged, event.EntryDeleted, event.EntriesImported, event.TagMoved,
		event.MachineCreated, event.MachineUpserted, event.MachineDeleted, event.BundleImported, event.StateTaken, event.BackupRestored,
		event.RuleCreated, event.RuleChanged, event.RuleDeleted:
		k.Changed()
	}
}

const lookEvery = 5 * time.Second

// gone is after how many looks without an answer the cache counts as away.
const gone = 3

// Here reports whether the cache is there and was told the catalog. It asks nobody.
func (k *Keeper) Here() bool {
	at := k.answered.Load()
	return at != 0 && k.Now().Sub(time.Unix(0, at)) < gone*k.Every+lookTime
}

// fresh is how old a status may be that is shown to people.
const fresh = 400 * time.Millisecond

// Status is what the cache holds and does now.
func (k *Keeper) Status(ctx context.Context) (wire.CacheStatus, error) {
	k.mu.Lock()
	latest, age := k.latest, k.Now().Sub(k.asOf)
	k.mu.Unlock()
	if age >= 0 && age < fresh {
		return latest, nil
	}
	answer := k.asking.DoChan("", func() (any, error) {
		status, err := k.cache.Status(context.WithoutCancel(ctx)) // whoever asked first may go away
		if err == nil {
			k.note(status)
		}
		return status, err
	})
	select {
	case result := <-answer:
		status, _ := result.Val.(wire.CacheStatus)
		return status, explain(result.Err)
	case <-ctx.Done():
		return wire.CacheStatus{}, context.Cause(ctx)
	}
}

// note keeps an answer.
func (k *Keeper) note(status wire.CacheStatus) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.latest, k.asOf = status, k.Now()
}

// stale has the next who asks hear of what was just done.
func (k *Keeper) stale() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asOf = time.Time{}
}

// explain says for people what a call came to.
func explain(err error) error {
	if err == nil {
		return nil
	}
	if said, ok := errors.AsType[*client.StatusError](err); ok {
		return fault.Wrap(kindOf(said.Code), err, "the image cache says: %s", orText(said.Detail, http.StatusText(said.Code)))
	}
	if client.IsAbsent(err) { // nothing is wrong with this server
		return fault.New(fault.Conflict, "%v", err)
	}
	return fault.Wrap(fault.Unavailable, err, "%v", err)
}

func kindOf(status int) fault.Kind {
	switch status {
	case http.StatusBadRequest:
		return fault.Invalid
	case http.StatusForbidden, http.StatusConflict:
		return fault.Conflict
	case http.StatusNotFound:
		return fault.NotFound
	}
	return fault.Unavailable
}

func orText(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// StartCommand is what an operator types to have a cache on this host.
func StartCommand() string {
	command, _ := client.StartCache()
	return command
}
