// Package library holds the use cases of the catalog: an image is added by URL, changed, removed,
// or taken over from a catalog.toml. No image byte is fetched here; what an origin says about an
// image is.
package library

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
	"bty/internal/machine"
	"bty/internal/oras"
	"bty/internal/rule"
	"bty/internal/withcache"
)

// MaxImages bounds the catalog, which is read whole by those who list it.
const MaxImages = 10_000

// Tx is what the use cases need of one transaction.
type Tx interface {
	ledger.Appender
	Image(catalog.ImageRef) (catalog.Entry, bool, error)
	PutImage(catalog.Entry) error
	DeleteImage(catalog.ImageRef) error
	Images() ([]catalog.Entry, error)
	EachMachine(func(machine.Machine) error) error
	Rules() (*rule.Set, error)
	Dropped(catalog.ImageRef) (bool, error)
	PutDropped(catalog.ImageRef, time.Time) error
	DeleteDropped(catalog.ImageRef) error
}

// Store runs transactions. Update returns once its writes are on disk.
type Store interface {
	View(func(Tx) error) error
	Update(context.Context, func(Tx) error) error
}

// Library runs the use cases. It is safe for concurrent use.
type Library struct {
	Store    Store
	Ledger   *ledger.Ledger
	Now      func() time.Time
	HTTP     *http.Client // asks origins for sizes, sha256sum files and catalogs
	Registry *oras.Client
	Cache    *withcache.Cache
	// CatalogURL is where the published catalog is fetched from.
	CatalogURL func() string
	// File is the path of the catalog.toml that every start takes over, and that an upload or a
	// fetch replaces.
	File string

	file sync.Mutex // of whoever replaces File
}

// Images lists the catalog in the order in which its entries were added.
func (l *Library) Images() ([]catalog.Entry, error) {
	var entries []catalog.Entry
	err := l.Store.View(func(tx Tx) (err error) { entries, err = tx.Images(); return err })
	return entries, err
}

// Listing returns the catalog with who its images are for.
func (l *Library) Listing() ([]catalog.Entry, map[catalog.ImageRef]Users, error) {
	var entries []catalog.Entry
	var users map[catalog.ImageRef]Users
	err := l.Store.View(func(tx Tx) (err error) {
		if entries, err = tx.Images(); err == nil {
			users, err = usersOf(tx)
		}
		return err
	})
	return entries, users, err
}

// Image returns one entry and who it is for.
func (l *Library) Image(ref catalog.ImageRef) (catalog.Entry, Users, error) {
	var entry catalog.Entry
	var users Users
	err := l.Store.View(func(tx Tx) (err error) {
		if entry, err = byRef(tx, ref); err == nil {
			users, err = usersOfOne(tx, ref)
		}
		return err
	})
	return entry, users, err
}

// TOML is the catalog as clients read it that reached this server as host: its sources lead to the
// cache if there is one. Entries without a digest are in it only if all are asked for.
func (l *Library) TOML(all bool, host string) ([]byte, error) {
	entries, err := l.Images()
	listing := l.Cache.Listing(host)
	listing.All = all
	return catalog.EncodeTOML(entries, listing), err
}

func byRef(tx Tx, ref catalog.ImageRef) (catalog.Entry, error) {
	entry, found, err := tx.Image(ref)
	if err == nil && !found {
		err = fault.New(fault.NotFound, "no image %s in the catalog", ref)
	}
	return entry, err
}

func bySource(tx Tx, src string) (catalog.Entry, error) {
	entries, err := tx.Images()
	if err != nil {
		return catalog.Entry{}, err
	}
	for _, e := range entries {
		if e.Src == src {
			return e, nil
		}
	}
	return catalog.Entry{}, fault.New(fault.NotFound, "no catalog entry with src=%s", src)
}

// imageEvent is about one image, whose name and identity the journal has too.
func (l *Library) imageEvent(kind event.Kind, entry catalog.Entry, from netip.Addr, summary string, carried any) event.Event {
	return l.event(kind, entry.Src, from, summary, carried).With(slog.String("image", entry.Name), slog.String("image_ref", entry.Ref.String()))
}

func (l *Library) event(kind event.Kind, src string, from netip.Addr, summary string, carried any) event.Event {
	e := event.Event{At: l.Now(), Kind: kind, SubjectKind: event.Catalog, SubjectID: src, Actor: event.Operator, SourceIP: from, Summary: summary}
	if carried != nil {
		e.Details = ledger.Details(carried)
	}
	return e
}

// room refuses to let the catalog grow beyond its bound.
func room(have int) error {
	if have >= MaxImages {
		return fault.New(fault.Conflict, "the catalog has %d images, the most there can be; delete some first", have)
	}
	return nil
}

var noAddress netip.Addr // of what nobody asked for

func orNull(d catalog.Digest) *catalog.Digest {
	if d.IsZero() {
		return nil
	}
	return &d
}

// short is a digest as people compare it.
func short(d catalog.Digest) string {
	if d.IsZero() {
		return "unknown"
	}
	return fmt.Sprintf("%.12s", d)
}
