package imagecache

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/library"
	"bty/internal/wire"
)

// Warm has the cache fetch an image of the catalog, for the operator.
func (k *Keeper) Warm(ctx context.Context, ref catalog.ImageRef, from netip.Addr) error {
	entry, _, err := k.Images.Image(ref)
	if err != nil {
		return err
	}
	source, ok := library.CacheSource(entry)
	if !ok {
		return fault.New(fault.Rejected, "%s is no image of http, https or a registry; a cache fetches no other", entry.Src)
	}
	if err := k.do(func() error { return k.cache.Warm(ctx, source) }); err != nil {
		return err
	}
	return k.record(ctx, event.CacheWarmed, entry.Src, entry.Name, from, fmt.Sprintf("the image cache is to fetch %s", entry.Name), nil)
}

type pinned struct {
	Pinned bool `json:"pinned"`
}

// Pin keeps what is held of a source from giving way to others, or lets it.
func (k *Keeper) Pin(ctx context.Context, src string, on bool, from netip.Addr) error {
	if err := k.do(func() error { return k.cache.Pin(ctx, wire.CachePin{Src: src, Pinned: on}) }); err != nil {
		return err
	}
	name := k.nameOf(src)
	summary := fmt.Sprintf("%s is kept in the image cache", name)
	if !on {
		summary = fmt.Sprintf("%s may give way to others in the image cache", name)
	}
	return k.record(ctx, event.CachePinned, src, name, from, summary, pinned{on})
}

type deleted struct {
	SHA256 string `json:"sha256,omitempty"`
}

// Delete drops what is held of a source or a digest; a fetch of it ends.
func (k *Keeper) Delete(ctx context.Context, what wire.CacheRef, from netip.Addr) error {
	src := what.Src
	if src == "" {
		src = k.sourceOf(ctx, what.SHA256)
	}
	if err := k.do(func() error { return k.cache.Delete(ctx, what) }); err != nil {
		return err
	}
	name := k.nameOf(src)
	if src == "" {
		name = fmt.Sprintf("the image with digest %.12s", what.SHA256)
	}
	return k.record(ctx, event.CacheDeleted, src, name, from, fmt.Sprintf("%s was deleted from the image cache", name), deleted{what.SHA256})
}

// sourceOf is where what is held was fetched from, "" if nobody knows.
func (k *Keeper) sourceOf(ctx context.Context, digest string) string {
	status, _ := k.Status(ctx) // without one there is nothing to delete, which the cache says itself
	for _, f := range status.Fills {
		if f.SHA256 == digest {
			return f.Src
		}
	}
	for _, b := range status.Blobs {
		if b.SHA256 == digest && len(b.Sources) > 0 {
			return b.Sources[0]
		}
	}
	return ""
}

func (k *Keeper) do(act func() error) error {
	defer k.stale()
	return explain(act())
}

// nameOf is what the catalog calls a source, or the source itself.
func (k *Keeper) nameOf(src string) string {
	ref, err := catalog.RefOf(src)
	if err != nil {
		return src
	}
	if entry, _, err := k.Images.Image(ref); err == nil {
		return entry.Name
	}
	return src
}

// record notes what the operator had done. It is done, whoever hung up.
func (k *Keeper) record(ctx context.Context, kind event.Kind, src, name string, from netip.Addr, summary string, carried any) error {
	e := k.event(kind, src, summary, carried).With(slog.String("image", name))
	e.Actor, e.SourceIP = event.Operator, from
	return k.Book.Record(context.WithoutCancel(ctx), e)
}
