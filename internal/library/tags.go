package library

import (
	"context"
	"fmt"
	"log/slog"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/ledger"
)

// Tags lists the images whose source is a tag of a registry.
func (l *Library) Tags() ([]catalog.Entry, error) {
	entries, err := l.Images()
	var tags []catalog.Entry
	for _, e := range entries {
		if e.IsTag() {
			tags = append(tags, e)
		}
	}
	return tags, err
}

// LookAt asks the registry where a tag leads and notes it. An image whose digest nobody knew gets
// the one that is there now; every other stays what it is.
func (l *Library) LookAt(ctx context.Context, ref catalog.ImageRef) error {
	known, _, err := l.Image(ref)
	if err != nil {
		return err
	}
	found, err := l.resolve(ctx, known.Src)
	if err != nil {
		return err
	}
	if found.digest == known.Digest && known.Next == nil || known.Next != nil && found.digest == known.Next.Digest {
		return nil // the most looks by far end here, and write nothing
	}
	return ledger.Commit(ctx, l.Ledger, l.Store.Update, func(tx Tx) ([]event.Event, error) {
		before, err := byRef(tx, ref)
		if err != nil {
			return nil, err
		}
		after, events := l.seen(before, found)
		return events, tx.PutImage(after)
	})
}

// seen is an entry after its tag was seen to lead somewhere.
func (l *Library) seen(e catalog.Entry, found resolved) (catalog.Entry, []event.Event) {
	before := e
	switch {
	case found.digest == e.Digest:
		e.Next = nil // it came back
		return e, nil
	case e.Digest.IsZero():
		found.pin(&e)
		c := Changed{Entry: e, Before: before}
		fields := differences(before, e)
		return e, []event.Event{l.bySystem(event.EntryChanged, e, c.summary(fields), changedDetails{Ref: e.Ref, Changed: fields})}
	case e.Next != nil && e.Next.Digest == found.digest:
		return e, nil
	}
	e.Next = &catalog.Version{Digest: found.digest, Manifest: found.manifest, URL: found.url, Size: found.size, SeenAt: l.Now()}
	what := "it stays as it is until somebody takes the new one"
	if e.Rolling {
		what = "it rolls, so the new one is taken"
	}
	summary := fmt.Sprintf("the tag of %s has moved from digest %s to %s; %s", e.Name, short(e.Digest), short(found.digest), what)
	return e, []event.Event{l.bySystem(event.TagMoved, e, summary, tagMoved{e.Ref, e.Digest, found.digest, e.Rolling})}
}

type tagMoved struct {
	Ref     catalog.ImageRef `json:"bty_image_ref"`
	Was     catalog.Digest   `json:"was_disk_image_sha"`
	Digest  catalog.Digest   `json:"disk_image_sha"`
	Rolling bool             `json:"rolling"`
}

func (l *Library) bySystem(kind event.Kind, e catalog.Entry, summary string, carried any) event.Event {
	made := l.event(kind, e.Src, noAddress, summary, carried).With(slog.String("image", e.Name), slog.String("image_ref", e.Ref.String()))
	made.Actor = event.System
	return made
}

// Roll takes what a rolling tag leads to, if it still is these bytes.
func (l *Library) Roll(ctx context.Context, ref catalog.ImageRef, to catalog.Digest) error {
	return ledger.Commit(ctx, l.Ledger, l.Store.Update, func(tx Tx) ([]event.Event, error) {
		before, err := byRef(tx, ref)
		if err != nil || !before.Rolling || before.Next == nil || before.Next.Digest != to {
			return nil, err
		}
		after := before
		after.Take()
		c := Changed{Entry: after, Before: before}
		fields := differences(before, after)
		return []event.Event{l.bySystem(event.EntryChanged, after, c.summary(fields)+", as it rolls", changedDetails{Ref: ref, Changed: fields, Moved: true})}, tx.PutImage(after)
	})
}
