package library

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path"
	"regexp"
	"strings"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
)

// Request is an image to add.
type Request struct {
	URL       string
	DigestURL string           // a sha256sum file that lists the image, "" for none
	Ref       catalog.ImageRef // what the caller takes the identity to be, zero if it does not say
	// TellDuplicate makes a failure event of a duplicate too, as the pages do.
	TellDuplicate bool
}

// What the URLs of a request must look like.
var (
	ImageURL = regexp.MustCompile(`^(?:https?://[^\s/?#]+(?:[/?#]\S*)?|oras://[^\s/?#]+/\S+)$`)
	WebURL   = regexp.MustCompile(`^https?://[^\s/?#]+(?:[/?#]\S*)?$`)
)

func (r Request) check() error {
	switch {
	case !ImageURL.MatchString(r.URL):
		return fault.New(fault.Rejected, "image_url is %.200q; want http(s)://host/path/image.img.zst or oras://host/owner/repo:tag", r.URL)
	case r.DigestURL != "" && !WebURL.MatchString(r.DigestURL):
		return fault.New(fault.Rejected, "sha_url is %.200q; want the http(s) URL of a sha256sum file", r.DigestURL)
	case catalog.HasUserInfo(r.URL) && !isORAS(r.URL) || catalog.HasUserInfo(r.DigestURL):
		return fault.New(fault.Rejected, "the URL carries a user name or password, which every machine and page would show; publish the image where none is needed")
	}
	return nil
}

// Add puts an image into the catalog.
func (l *Library) Add(ctx context.Context, r Request, from netip.Addr) (catalog.Entry, error) {
	entry, err := l.describe(ctx, r)
	if err != nil {
		return catalog.Entry{}, l.addFailed(ctx, r, err, from)
	}
	duplicate := false
	err = ledger.Commit(ctx, l.Ledger, l.Store.Update, func(tx Tx) ([]event.Event, error) {
		entries, err := tx.Images()
		if err != nil {
			return nil, err
		}
		if _, duplicate, err = tx.Image(entry.Ref); err != nil {
			return nil, err
		}
		if duplicate {
			return nil, fault.New(fault.Conflict, "catalog entry with src=%s already exists", entry.Src)
		}
		if err := room(len(entries)); err != nil {
			return nil, err
		}
		return []event.Event{l.imageEvent(event.EntryAdded, entry, from, fmt.Sprintf("image %s added", entry.Name), added{
			Name: entry.Name, Ref: entry.Ref, Digest: orNull(entry.Digest), Format: entry.Format, Size: entry.Size, ORAS: isORAS(entry.Src),
		})}, errors.Join(tx.PutImage(entry), tx.DeleteDropped(entry.Ref))
	})
	if duplicate && r.TellDuplicate {
		return catalog.Entry{}, l.failed(ctx, r.URL, from, addFailure{Name: entry.Name, Error: "already exists"}, err)
	}
	return entry, err
}

// describe finds out what can be known of an image without fetching it.
func (l *Library) describe(ctx context.Context, r Request) (catalog.Entry, error) {
	if err := r.check(); err != nil {
		return catalog.Entry{}, err
	}
	ref, err := catalog.RefOf(r.URL)
	if err != nil {
		return catalog.Entry{}, fault.New(fault.Invalid, "invalid image_url: %v", err)
	}
	if !r.Ref.IsZero() && r.Ref != ref {
		return catalog.Entry{}, fault.New(fault.Rejected, "ref mismatch: the request says %s, the image_url gives %s", r.Ref, ref)
	}
	entry := catalog.Entry{Ref: ref, Src: r.URL, AddedAt: l.Now()}
	if isORAS(r.URL) {
		return l.describeORAS(ctx, entry)
	}
	return l.describeHTTP(ctx, entry, r.DigestURL)
}

func (l *Library) describeORAS(ctx context.Context, e catalog.Entry) (catalog.Entry, error) {
	found, err := l.resolve(ctx, e.Src)
	if err != nil {
		return e, fault.Wrap(fault.Invalid, err, "could not resolve oras ref: %v", err)
	}
	found.pin(&e)
	e.Name, e.Format = found.title, found.format
	e.Arch = catalog.ArchOf(e.Name)
	return e, nil
}

func (l *Library) describeHTTP(ctx context.Context, e catalog.Entry, digestURL string) (_ catalog.Entry, err error) {
	e.Name, e.DigestURL, e.ResolvedSrc = catalog.BaseName(e.Src), digestURL, e.Src
	if digestURL != "" {
		if e.Digest, err = l.fetchDigest(ctx, digestURL, e.Name); err != nil {
			return e, fault.Wrap(fault.Invalid, err, "could not resolve sha256: %v", err)
		}
	}
	if e.Name == "" {
		return e, fault.New(fault.Rejected, "image_url must end in a filename component, like https://host/path/image.img.zst; got %q", e.Src)
	}
	e.Format, e.Arch, e.Size = catalog.FormatOf(e.Name), catalog.ArchOf(e.Name), l.fetchSize(ctx, e.Src)
	return e, nil
}

// resolved is what a registry says of an image.
type resolved struct {
	digest        catalog.Digest
	manifest, url string
	size          int64
	title         string
	format        catalog.Format
}

// maxTitle is the longest title of a registry that becomes a name, in bytes.
const maxTitle = 255

func (l *Library) resolve(ctx context.Context, src string) (resolved, error) {
	canonical, err := catalog.Canonical(src)
	if err != nil {
		return resolved{}, err
	}
	found, err := l.Registry.Resolve(ctx, canonical)
	if err != nil {
		return resolved{}, err
	}
	r := resolved{manifest: found.Manifest, url: found.URL, size: found.Size, title: found.Title}
	if r.digest, err = catalog.ParseDigest(found.Digest); err != nil {
		return resolved{}, err
	}
	if r.title == "" || len(r.title) > maxTitle {
		r.title = repository(canonical)
	}
	r.format = cmp.Or(catalog.FormatOf(r.title), formatOfType(found.MediaType))
	return r, nil
}

// formatOfType is the format of an image whose title has no known suffix: what its type says, else
// what most images of registries are.
func formatOfType(mediaType string) catalog.Format {
	switch _, suffix, _ := strings.Cut(mediaType, "+"); suffix {
	case "zstd":
		return catalog.Zstd
	case "xz":
		return catalog.XZ
	}
	return catalog.Gzip
}

// repository is the last part of a reference's repository.
func repository(canonical string) string {
	name, _, pinned := strings.Cut(canonical, "@")
	if !pinned {
		name = canonical[:strings.LastIndexByte(canonical, ':')]
	}
	return path.Base(name)
}

// pin notes which bytes the reference leads to now.
func (r resolved) pin(e *catalog.Entry) {
	e.Digest, e.Manifest, e.ResolvedSrc, e.Size = r.digest, r.manifest, r.url, r.size
}

func isORAS(src string) bool { return catalog.Scheme(src) == "oras" }

// addFailed records that what the operator asked for could not be found out, and returns why.
func (l *Library) addFailed(ctx context.Context, r Request, cause error, from netip.Addr) error {
	if !strings.HasPrefix(fault.Public(cause), "could not resolve") {
		return cause
	}
	return l.failed(ctx, r.URL, from, addFailure{URL: r.URL, DigestURL: r.DigestURL, Error: fault.Public(cause)}, cause)
}

func (l *Library) failed(ctx context.Context, src string, from netip.Addr, what addFailure, cause error) error {
	e := l.event(event.EntryAddFailed, src, from, fmt.Sprintf("image %s not added: %s", src, fault.Public(cause)), what).With(slog.String("err", fault.Public(cause)))
	err := ledger.Commit(ctx, l.Ledger, l.Store.Update, func(Tx) ([]event.Event, error) { return []event.Event{e}, nil })
	return errors.Join(cause, err)
}

type added struct {
	Name   string           `json:"name"`
	Ref    catalog.ImageRef `json:"bty_image_ref"`
	Digest *catalog.Digest  `json:"disk_image_sha"`
	Format catalog.Format   `json:"format"`
	Size   int64            `json:"size_bytes"`
	ORAS   bool             `json:"oras,omitempty"`
}

type addFailure struct {
	URL       string `json:"image_url,omitempty"`
	Name      string `json:"name,omitempty"`
	Error     string `json:"error"`
	DigestURL string `json:"sha_url,omitempty"`
}
