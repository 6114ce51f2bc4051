// Package library holds the use cases of the catalog: an image is added by URL, listed, removed.
// No image byte is fetched here; what an origin says about an image is.
package library

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
	"bty/internal/machine"
	"bty/internal/withcache"
)

// Tx is what the use cases need of one transaction.
type Tx interface {
	ledger.Appender
	Image(catalog.ImageRef) (catalog.Entry, bool, error)
	PutImage(catalog.Entry) error
	DeleteImage(catalog.ImageRef) error
	Images() ([]catalog.Entry, error)
	EachMachine(func(machine.Machine) error) error
}

// Store runs transactions. Update returns once its writes are on disk.
type Store interface {
	View(func(Tx) error) error
	Update(context.Context, func(Tx) error) error
}

// Library runs the use cases. It is safe for concurrent use.
type Library struct {
	Store  Store
	Ledger *ledger.Ledger
	Now    func() time.Time
	HTTP   *http.Client // asks origins for sizes and sha256sum files
	Cache  *withcache.Cache
}

// Request is an image to add.
type Request struct {
	URL       string
	DigestURL string           // a sha256sum file that lists the image, "" for none
	Ref       catalog.ImageRef // what the caller takes the identity to be, zero if it does not say
}

// Add puts an image into the catalog.
func (l *Library) Add(ctx context.Context, r Request, from netip.Addr) (catalog.Entry, error) {
	entry, err := l.describe(ctx, r)
	if err != nil {
		return catalog.Entry{}, l.addFailed(ctx, r, err, from)
	}
	err = ledger.Commit(ctx, l.Ledger, l.Store.Update, func(tx Tx) ([]event.Event, error) {
		if _, exists, err := tx.Image(entry.Ref); err != nil {
			return nil, err
		} else if exists {
			return nil, fault.New(fault.Conflict, "catalog entry with src=%s already exists", entry.Src)
		}
		return []event.Event{l.event(event.EntryAdded, entry.Src, from, fmt.Sprintf("image %s added", entry.Name), added{
			Name: entry.Name, Ref: entry.Ref, Digest: orNull(entry.Digest), Format: entry.Format, Size: entry.Size,
		})}, tx.PutImage(entry)
	})
	return entry, err
}

// describe finds out what can be known of an image without fetching it.
func (l *Library) describe(ctx context.Context, r Request) (catalog.Entry, error) {
	if catalog.HasUserInfo(r.URL) || catalog.HasUserInfo(r.DigestURL) {
		return catalog.Entry{}, fault.New(fault.Rejected, "the URL carries a user name or password, which every machine and page would show; publish the image where none is needed")
	}
	ref, err := catalog.RefOf(r.URL)
	if err != nil {
		return catalog.Entry{}, fault.New(fault.Invalid, "invalid image_url: %v", err)
	}
	if !r.Ref.IsZero() && r.Ref != ref {
		return catalog.Entry{}, fault.New(fault.Rejected, "ref mismatch: the request says %s, the image_url gives %s", r.Ref, ref)
	}
	if strings.HasPrefix(r.URL, "oras://") {
		return catalog.Entry{}, fault.New(fault.Invalid, "could not resolve oras ref: oras:// images are not supported by this release; publish the image over http(s)")
	}
	name := catalog.BaseName(r.URL)
	var digest catalog.Digest
	if r.DigestURL != "" {
		if digest, err = l.fetchDigest(ctx, r.DigestURL, name); err != nil {
			return catalog.Entry{}, fault.Wrap(fault.Invalid, err, "could not resolve sha256: %v", err)
		}
	}
	if name == "" {
		return catalog.Entry{}, fault.New(fault.Rejected, "image_url must end in a filename component, like https://host/path/image.img.zst; got %q", r.URL)
	}
	return catalog.Entry{
		Ref: ref, Src: r.URL, ResolvedSrc: r.URL, Digest: digest, Name: name, DigestURL: r.DigestURL,
		Format: catalog.FormatOf(name), Size: l.fetchSize(ctx, r.URL), Arch: catalog.ArchOf(name), AddedAt: l.Now(),
	}, nil
}

// addFailed records that what the operator asked for could not be found out, and returns why.
func (l *Library) addFailed(ctx context.Context, r Request, cause error, from netip.Addr) error {
	if !strings.HasPrefix(fault.Public(cause), "could not resolve") {
		return cause
	}
	e := l.event(event.EntryAddFailed, r.URL, from, fmt.Sprintf("image %s not added: %s", r.URL, fault.Public(cause)),
		addFailure{URL: r.URL, DigestURL: r.DigestURL, Error: fault.Public(cause)})
	err := ledger.Commit(ctx, l.Ledger, l.Store.Update, func(Tx) ([]event.Event, error) { return []event.Event{e}, nil })
	return errors.Join(cause, err)
}

// Delete removes the entry with exactly this source. Machines that are bound to it must be let
// go first, or force says that they may become orphans.
func (l *Library) Delete(ctx context.Context, src string, force bool, from netip.Addr) error {
	return ledger.Commit(ctx, l.Ledger, l.Store.Update, func(tx Tx) ([]event.Event, error) {
		entry, err := bySource(tx, src)
		if err != nil {
			return nil, err
		}
		bound, err := boundTo(tx, entry.Ref)
		if err != nil {
			return nil, err
		}
		if len(bound) > 0 && !force {
			return nil, fault.New(fault.Conflict, "image %s is bound to %s; bind them to another image first, or repeat with force=1", entry.Name, strings.Join(bound, ", "))
		}
		return []event.Event{l.event(event.EntryDeleted, src, from, fmt.Sprintf("image %s deleted", entry.Name), nil)}, tx.DeleteImage(entry.Ref)
	})
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

// maxNamed is how many machines a message names before it only counts.
const maxNamed = 10

func boundTo(tx Tx, ref catalog.ImageRef) ([]string, error) {
	var macs []string
	more := 0
	err := tx.EachMachine(func(m machine.Machine) error {
		switch {
		case m.Intent.Image != ref:
		case len(macs) < maxNamed:
			macs = append(macs, m.MAC.String())
		default:
			more++
		}
		return nil
	})
	if more > 0 {
		macs = append(macs, fmt.Sprintf("and %d more", more))
	}
	return macs, err
}

// Images lists the catalog in the order in which its entries were added.
func (l *Library) Images() ([]catalog.Entry, error) {
	var entries []catalog.Entry
	err := l.Store.View(func(tx Tx) (err error) { entries, err = tx.Images(); return err })
	return entries, err
}

// TOML is the catalog as clients read it: its sources lead to the cache if there is one. Entries
// without a digest are in it only if all are asked for.
func (l *Library) TOML(all bool) ([]byte, error) {
	entries, err := l.Images()
	return catalog.EncodeTOML(entries, catalog.Listing{All: all, Cache: l.Cache.Base()}), err
}

func (l *Library) event(kind event.Kind, src string, from netip.Addr, summary string, carried any) event.Event {
	e := event.Event{At: l.Now(), Kind: kind, SubjectKind: event.Catalog, SubjectID: src, Actor: event.Operator, SourceIP: from, Summary: summary}
	if carried != nil {
		e.Details = ledger.Details(carried)
	}
	return e
}

type added struct {
	Name   string           `json:"name"`
	Ref    catalog.ImageRef `json:"bty_image_ref"`
	Digest *catalog.Digest  `json:"disk_image_sha"`
	Format catalog.Format   `json:"format"`
	Size   int64            `json:"size_bytes"`
}

type addFailure struct {
	URL       string `json:"image_url"`
	Error     string `json:"error"`
	DigestURL string `json:"sha_url,omitempty"`
}

func orNull(d catalog.Digest) *catalog.Digest {
	if d.IsZero() {
		return nil
	}
	return &d
}
