package imagecache

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"bty/internal/event"
	"bty/internal/ledger"
	"bty/internal/message"
	"bty/internal/origin"
	"bty/internal/wire"
)

// holdings is what the cache held and failed at when it was looked at last.
type holdings struct {
	blobs  map[string]bool // by digest
	failed map[string]bool // by source and error
}

func holdingsOf(s wire.CacheStatus) *holdings {
	h := &holdings{map[string]bool{}, map[string]bool{}}
	for _, b := range s.Blobs {
		h.blobs[b.SHA256] = true
	}
	for _, f := range s.Fills {
		if f.Status == wire.CacheFillFailed {
			h.failed[f.Src+" "+f.Error] = true
		}
	}
	return h
}

// maxNews is how many events one look makes at most: a cache that was changed under our eyes is no
// reason to fill the audit log.
const maxNews = 20

// compare records what came into the cache since the last look, and what failed to.
func (k *Keeper) compare(ctx context.Context, s wire.CacheStatus) {
	was, is := k.watch.seen, holdingsOf(s)
	k.watch.seen = is
	if was == nil {
		return
	}
	var news []event.Event
	for _, b := range s.Blobs {
		if !was.blobs[b.SHA256] {
			news = append(news, k.filled(b))
		}
	}
	for _, f := range s.Fills {
		if f.Status == wire.CacheFillFailed && !was.failed[f.Src+" "+f.Error] {
			news = append(news, k.failed(f))
		}
	}
	for _, e := range news[:min(len(news), maxNews)] {
		if err := k.Book.Record(ctx, e); err != nil {
			k.Log.Warn("what the image cache did is not in the audit log", message.Unrecorded, "err", err)
			return
		}
	}
}

type filled struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size_bytes"`
}

func (k *Keeper) filled(b wire.CacheBlob) event.Event {
	src := ""
	if len(b.Sources) > 0 {
		src = b.Sources[0]
	}
	name := k.name(src)
	return k.event(event.CacheFilled, src, fmt.Sprintf("the image cache has all of %s", name), filled{b.SHA256, b.SizeBytes}).
		With(slog.String("image", name), slog.Int64("bytes", b.SizeBytes))
}

type fillFailed struct {
	Error    string `json:"error"`
	Attempts int    `json:"attempts"`
}

func (k *Keeper) failed(f wire.CacheFill) event.Event {
	name := k.name(f.Src)
	return k.event(event.CacheFillFailed, f.Src, fmt.Sprintf("the image cache could not fetch %s: %s", name, f.Error), fillFailed{f.Error, f.Attempts}).
		With(slog.String("image", name), slog.String("err", f.Error))
}

func (k *Keeper) event(kind event.Kind, src, summary string, carried any) event.Event {
	e := event.Event{At: k.Now(), Kind: kind, SubjectKind: event.Catalog, SubjectID: k.subject(src), Actor: event.System, Summary: summary}
	if src == "" {
		e.SubjectKind = event.NoSubject
	}
	if carried != nil {
		e.Details = ledger.Details(carried)
	}
	return e
}

// subject is what a source's events are found by.
func (k *Keeper) subject(src string) string {
	if slices.ContainsFunc(k.watch.want.Sources, func(s wire.CacheSource) bool { return s.Src == src }) {
		return src
	}
	return origin.Redact(src)
}

// name is what the catalog calls a source, or the source itself: whoever asked for one that the
// catalog does not have may have put a secret into its query.
func (k *Keeper) name(src string) string {
	list := k.watch.want.Sources
	if i := slices.IndexFunc(list, func(s wire.CacheSource) bool { return s.Src == src }); i >= 0 && list[i].Name != "" {
		return list[i].Name
	}
	return origin.Redact(src)
}
