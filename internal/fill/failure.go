package fill

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"bty/internal/blob"
	"bty/internal/message"
	"bty/internal/origin"
	"bty/internal/wire"
)

// fail tells the readers. The caller holds the cache's lock.
func (f *fill) fail(err error) {
	now := f.c.cfg.Now()
	f.fails++
	doubled := min(f.fails-1, 10)
	f.again = now.Add(min(firstAgain<<doubled, maxAgain))
	if f.goesOn(err) {
		f.retry = now.Add(min(firstRetry<<doubled, maxRetry))
	}
	f.progress.change(func() {
		f.status, f.endedAt, f.last, f.next = wire.CacheFillFailed, now, err, f.retry
		if !f.progress.proven { // who has only proven bytes to come keeps them
			f.progress.err = err
		}
	})
	if !errors.Is(err, ErrStopping) && !errors.Is(err, ErrDeleted) {
		f.c.totals.failed.Add(1)
		f.c.fail.Warn(netip.Addr{}, "an image could not be fetched into the cache", message.ImageNotCached, "url", origin.Redact(f.src.Src), "bytes", f.progress.written, "err", err)
	}
}

// maxRefused is how often in a row an origin may refuse what it gave the beginning of before that is
// dropped: a server that is being restarted says 404 for a while, and one that refuses ranges always will.
const maxRefused = 5

// goesOn reports whether the next attempt goes on from what is here. The caller holds the cache's lock.
func (f *fill) goesOn(err error) bool {
	return errors.Is(err, origin.ErrBroken) || errors.Is(err, origin.ErrRefused) && f.part != nil && f.part.Note().Bytes > 0 && f.fails < maxRefused
}

func (f *fill) failure() error {
	f.progress.mu.Lock()
	defer f.progress.mu.Unlock()
	return f.last
}

// keepOrDiscard decides what becomes of the bytes of a fetch that failed: they are kept where the
// next attempt can go on from them. An origin that changed the image under it is asked for the
// new one at once.
func (c *Cache) keepOrDiscard(f *fill, err error) {
	switch {
	case errors.Is(err, ErrStopping), f.goesOn(err):
		return
	case errors.Is(err, ErrDeleted):
		delete(c.fills, f.id)
	case errors.Is(err, origin.ErrChanged) && f.overs < maxOvers && !c.stopped:
		anew := c.newFill(f.id.key, f.src)
		anew.overs, anew.fails = f.overs+1, f.fails
		c.enqueue(anew)
	}
	c.discard(f)
}

// public gives an error of a lower floor its kind, and what to do where the operator can.
func (c *Cache) public(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(cause, ErrDeleted):
		return ErrDeleted
	case errors.Is(cause, ErrFolder):
		return cause
	case cause != nil:
		return ErrStopping
	case errors.Is(err, blob.ErrNoRoom):
		return fmt.Errorf("%w: %w", ErrNoRoom, err)
	case blob.IsFull(err):
		return fmt.Errorf("%w: the file system of %s is full: %w; delete images or give it more space", ErrNoRoom, c.cfg.Dir, err)
	case errors.Is(err, ErrProof), errors.Is(err, ErrFolder):
		return err
	case errors.Is(err, origin.ErrSource), errors.Is(err, origin.ErrRefused), errors.Is(err, origin.ErrBroken), errors.Is(err, origin.ErrChanged), errors.Is(err, origin.ErrLength):
		return fmt.Errorf("%w: %w", ErrOrigin, err)
	}
	return fmt.Errorf("%w: %w", ErrFolder, err)
}
