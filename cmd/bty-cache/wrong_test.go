package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"bty/internal/catalog"
	"bty/internal/disk/looptest"
	"bty/internal/flash"
	"bty/internal/origin"
	"bty/internal/wire"
)

// An origin that has other bytes than the catalog says: the cache breaks off, and says 409 to who asks
// for the rest. That is final: nobody asks for ever, nor around the cache.
func TestFlashOfWrongBytesEnds(t *testing.T) {
	p := newPublisher(t, newImage(4<<20))
	c := start(t, nil)
	src, digest := p.URL+"/disk.img", strings.Repeat("cd", 32)
	c.publish(wire.CacheSource{Src: src, SHA256: digest})
	path, _ := looptest.New(t, 4<<20, looptest.Options{})
	want, err := catalog.ParseDigest(digest)
	if err != nil {
		t.Fatal(err)
	}
	_, err = flash.Run(t.Context(), flash.Request{
		Source: catalog.PinnedCacheURL("http://"+c.vars["BTY_CACHE_HOST"]+":"+c.vars["BTY_CACHE_PORT"], src, want), Digest: want, Target: path,
		Origin: origin.Options{FirstPause: time.Millisecond, MaxPause: 20 * time.Millisecond},
	}, nil)
	if e, ok := errors.AsType[*flash.Error](err); !ok || e.Kind != flash.ErrOrigin || !strings.Contains(err.Error(), "409") {
		t.Fatalf("%v", err)
	}
	if n := p.asked.Load(); n > 3 { // all by the cache, which takes a replaced image for possible
		t.Errorf("the origin was asked %d times", n)
	}
}
