package library

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"bty/internal/catalog"
	"bty/internal/message"
)

const (
	looksAtOnce = 4                // registries that are asked at one time
	lookTime    = time.Minute      // for one tag
	listEvery   = 10 * time.Second // how often it is looked which tags there are, at most
	firstLooks  = time.Minute      // in which the tags of a start are looked at
)

// Follower looks in the background where the tags of the catalog lead. No machine waits for it.
type Follower struct {
	Library *Library
	Every   func() time.Duration // between two looks at one tag; 0 is never
	Log     *slog.Logger

	due     map[catalog.ImageRef]time.Time
	unknown map[catalog.ImageRef]bool // where the last look failed
}

// Run looks until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	f.due, f.unknown = map[catalog.ImageRef]time.Time{}, map[catalog.ImageRef]bool{}
	for spread := f.first(); ; spread = f.Every() {
		if every := f.Every(); every > 0 {
			f.round(ctx, spread, every)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(f.pause()):
		}
	}
}

func (f *Follower) first() time.Duration { return min(firstLooks, f.Every()) }

func (f *Follower) pause() time.Duration {
	if every := f.Every(); every > 0 {
		return min(listEvery, every/2+1)
	}
	return listEvery
}

// round looks at the tags whose time has come. One that is new gets its time within spread.
func (f *Follower) round(ctx context.Context, spread, every time.Duration) {
	tags, err := f.Library.Tags()
	if err != nil {
		return // whoever shows the catalog says so
	}
	var work errgroup.Group
	work.SetLimit(looksAtOnce)
	failed := make([]error, len(tags))
	looked := make([]bool, len(tags))
	now := time.Now()
	for i, tag := range f.plan(tags, now, spread) {
		if looked[i] = tag; tag {
			work.Go(func() error { failed[i] = f.look(ctx, tags[i]); return nil })
		}
	}
	_ = work.Wait() // none returns an error
	for i, e := range tags {
		if looked[i] {
			f.due[e.Ref] = time.Now().Add(jitter(every))
			f.tell(ctx, e, failed[i])
		}
	}
}

// plan says which tags are due. Tags that are gone are forgotten.
func (f *Follower) plan(tags []catalog.Entry, now time.Time, spread time.Duration) []bool {
	due, known := make([]bool, len(tags)), map[catalog.ImageRef]time.Time{}
	for i, e := range tags {
		at, ok := f.due[e.Ref]
		if !ok {
			at = now.Add(rand.N(spread + 1))
		}
		known[e.Ref] = at
		due[i] = !at.After(now)
	}
	f.due = known
	maps.DeleteFunc(f.unknown, func(ref catalog.ImageRef, _ bool) bool { _, ok := known[ref]; return !ok })
	return due
}

// jitter is a time around every, so that a fleet of appliances does not ask in step.
func jitter(every time.Duration) time.Duration { return every - every/10 + rand.N(every/5+1) }

func (f *Follower) look(ctx context.Context, e catalog.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	return f.Library.LookAt(ctx, e.Ref)
}

// tell logs what could not be found out, once until it can.
func (f *Follower) tell(ctx context.Context, e catalog.Entry, err error) {
	switch {
	case err == nil:
		delete(f.unknown, e.Ref)
	case ctx.Err() == nil && !f.unknown[e.Ref]:
		f.unknown[e.Ref] = true
		f.Log.Warn("nobody knows where the tag of an image leads now; machines get the bytes from before", message.TagUnknown, "image", e.Name, "src", e.Src, "err", err)
	}
}
