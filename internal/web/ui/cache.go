package ui

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/netip"
	"time"

	"bty/internal/catalog"
	"bty/internal/fault"
	"bty/internal/imagecache"
	"bty/internal/library"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

// shownRows is how many rows of each kind the page has; the API has all.
const shownRows = 50

// cachePanel is what the page shows of the image cache of this host.
type cachePanel struct {
	Here   bool
	Reason string // why it is not
	Start  string // the command that has one
	URL    string // where machines are sent, "" for to the origins
	IsSet  bool   // that is what somebody configured
	wire.CacheStatus
	Fills   []cacheFill
	Blobs   []cacheBlob
	Streams []cacheStream
	Misses  []wire.CacheMiss
	More    int    // rows that are left out
	Seen    string // changes when anything else here does
}

// cacheFill is an image on its way.
type cacheFill struct {
	wire.CacheFill
	Image *catalog.Entry // nil if it is in no catalog
}

// Total is how long it is, 0 while nobody knows.
func (f cacheFill) Total() int64 {
	if f.BytesTotal == nil {
		return 0
	}
	return *f.BytesTotal
}

// Failed reports whether it is given up until somebody asks again.
func (f cacheFill) Failed() bool { return f.Status == wire.CacheFillFailed }

// Next is when the next attempt is.
func (f cacheFill) Next() time.Time {
	if f.NextAt == nil {
		return time.Time{}
	}
	return time.Time(*f.NextAt)
}

// cacheBlob is an image that is held.
type cacheBlob struct {
	wire.CacheBlob
	Images []catalog.Entry // of the catalog that are these bytes
}

// Short is how a digest is shown.
func (b cacheBlob) Short() string { return fmt.Sprintf("%.12s", b.SHA256) }

// Source is one that names it to the cache, "" if none does any more.
func (b cacheBlob) Source() string {
	if len(b.Sources) == 0 {
		return ""
	}
	return b.Sources[0]
}

// Used is when it was asked for last.
func (b cacheBlob) Used() time.Time { return time.Time(b.UsedAt) }

// cacheStream is a reader.
type cacheStream struct {
	wire.CacheStream
	Machine string // that is known to have the address, "" if none
	Image   *catalog.Entry
}

func (s surface) cachePanel(r *http.Request) (cachePanel, error) {
	p := cachePanel{URL: s.Library.Cache.Listing(serve.Host(r)).Cache, IsSet: s.Settings.WithcacheURL() != ""}
	entries, err := s.Library.Images()
	if err != nil {
		return p, err
	}
	status, err := s.Cache.Status(r.Context())
	switch {
	case err == nil:
		p.Here = true
		p.fill(status, entries, s.Fleet.At)
	case fault.KindOf(err) == fault.Internal:
		return p, err
	default:
		p.Reason = fault.Public(err)
		p.Start = imagecache.StartCommand()
	}
	p.Seen, err = p.seen()
	return p, err
}

// seen is a name of what the page shows. It is of the values: those behind pointers lie elsewhere each
// time.
func (p *cachePanel) seen() (string, error) {
	hash := fnv.New64a()
	if err := json.NewEncoder(hash).Encode(p); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", hash.Sum64()), nil
}

func (p *cachePanel) fill(s wire.CacheStatus, entries []catalog.Entry, at func(netip.Addr) string) {
	bySource, byDigest := map[string]*catalog.Entry{}, map[string][]catalog.Entry{}
	for i, e := range entries {
		bySource[e.Src] = &entries[i]
		if !e.Digest.IsZero() {
			byDigest[e.Digest.String()] = append(byDigest[e.Digest.String()], e)
		}
	}
	for _, f := range first(p, s.Fills) {
		p.Fills = append(p.Fills, cacheFill{f, bySource[f.Src]})
	}
	for _, b := range first(p, s.Blobs) {
		held := cacheBlob{CacheBlob: b, Images: byDigest[b.SHA256]}
		for _, src := range b.Sources {
			if e := bySource[src]; e != nil && e.Digest.IsZero() {
				held.Images = append(held.Images, *e)
			}
		}
		p.Blobs = append(p.Blobs, held)
	}
	for _, one := range first(p, s.Streams) {
		reader := cacheStream{CacheStream: one, Image: bySource[one.Src]}
		if addr, err := netip.ParseAddr(one.Remote); err == nil {
			reader.Machine = at(addr.Unmap())
		}
		p.Streams = append(p.Streams, reader)
	}
	p.Misses = first(p, s.Misses)
	p.CacheStatus = s
}

// first is what the page has of a list.
func first[T any](p *cachePanel, list []T) []T {
	p.More += max(0, len(list)-shownRows)
	return list[:min(len(list), shownRows)]
}

// Poll is how often a live page asks for the panel again, in milliseconds.
func (p cachePanel) Poll() int {
	if len(p.Fills)+len(p.Streams) > 0 {
		return 1000
	}
	return 4000
}

// Free is what its disk has free.
func (p cachePanel) Free() int64 { return max(0, p.FreeBytes) }

// cacheNow is the panel that a live page asks for again.
func (s surface) cacheNow(w http.ResponseWriter, r *http.Request) error {
	p, err := s.cachePanel(r)
	if err != nil {
		return err
	}
	if r.URL.Query().Get("seen") == p.Seen {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return s.fragment(w, r, "images", "image-cache", p)
}

// cached is what the page of an image shows of it in the cache.
type cached struct {
	Here bool
	Fill *cacheFill
	Blob *cacheBlob // with its bytes as the catalog has them
	Can  bool       // a cache fetches such
}

func (s surface) cached(r *http.Request, e catalog.Entry) cached {
	_, can := library.CacheSource(e)
	status, err := s.Cache.Status(r.Context())
	if err != nil {
		return cached{Can: can}
	}
	c := cached{Here: true, Can: can}
	p := cachePanel{}
	p.fill(status, []catalog.Entry{e}, func(netip.Addr) string { return "" })
	for i := range p.Fills {
		if p.Fills[i].Image != nil {
			c.Fill = &p.Fills[i]
		}
	}
	for i := range p.Blobs {
		if len(p.Blobs[i].Images) > 0 {
			c.Blob = &p.Blobs[i]
		}
	}
	return c
}
