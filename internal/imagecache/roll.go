package imagecache

import (
	"context"
	"time"

	"bty/internal/catalog"
	"bty/internal/client"
	"bty/internal/library"
	"bty/internal/message"
	"bty/internal/wire"
)

// askAgain is after how long the cache is asked once more for bytes that it did not come to hold.
const askAgain = 5 * time.Minute

// roll has images that roll become what their tags lead to: once the cache holds all of the new
// bytes, so that no machine waits for them, or at once where there is no cache that would fetch them.
func (k *Keeper) roll(ctx context.Context) {
	w := k.watch
	for _, e := range w.rolling {
		if !k.isReady(ctx, e) {
			continue
		}
		if err := k.Images.Roll(ctx, e.Ref, e.Next.Digest); err != nil && ctx.Err() == nil {
			k.Log.Warn("an image that rolls was not taken anew", message.Unrecorded, "image", e.Name, "src", e.Src, "err", err)
		}
		delete(w.asked, e.Next.Digest)
	}
}

// isReady reports whether machines may be given the new bytes of an image, and sees to it that they may be.
func (k *Keeper) isReady(ctx context.Context, e catalog.Entry) bool {
	w := k.watch
	if !w.isHere {
		return w.told // that there is none; before the first look nobody knows
	}
	if w.seen.blobs[e.Next.Digest.String()] {
		return true
	}
	if at, asked := w.asked[e.Next.Digest]; asked && k.Now().Sub(at) < askAgain {
		return false
	}
	err := w.socket.Warm(ctx, next(e))
	switch {
	case err == nil:
		w.asked[e.Next.Digest] = k.Now()
	case client.CodeOf(err) != 0:
		k.Log.Warn("the image cache does not fetch what an image that rolls leads to; machines fetch it from its origin", message.CacheUnwilling, "image", e.Name, "src", e.Src, "err", err)
		return true
	}
	return false
}

// next is the source of an entry with the bytes that its tag leads to.
func next(e catalog.Entry) wire.CacheSource {
	e.Take()
	s, _ := library.CacheSource(e) // a tag is one
	return s
}
