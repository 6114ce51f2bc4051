package fill

import (
	"context"
	"os"
	"time"

	"bty/internal/blob"
	"bty/internal/catalog"
	"bty/internal/wire"
)

// fill is one fetch of one image. Its readers are under the cache's lock, its progress is under
// its own.
type fill struct {
	c   *Cache
	id  id
	src Source

	progress progress

	store   *blob.Store // nil while it waits for a place
	readers map[*Handle]struct{}
	cancel  context.CancelCauseFunc // nil while it waits for a place
	part    *blob.Partial           // nil before the first byte, and after a failure that took it
	reads   int64                   // of readers that have gone
	sent    int64                   // to them
	ended   bool
	rests   bool      // it waits for its next attempt
	overs   int       // how often the origin had another image in the middle
	fails   int       // how often it failed in a row
	again   time.Time // a failed one is not begun again before, whoever asks
	retry   time.Time // a failed one is begun again then, though nobody asks; zero: never

	// under progress.mu
	status   string
	attempts int
	began    time.Time
	endedAt  time.Time
	next     time.Time
	last     error // of the last attempt
	digest   catalog.Digest
	tag      string
	open     *os.File // of part; closed with the last reader
}

func (c *Cache) newFill(key string, src Source) *fill {
	f := &fill{c: c, id: id{key, src.Digest}, src: src, status: wire.CacheFillWaiting, began: c.cfg.Now(), digest: src.Digest, readers: map[*Handle]struct{}{}}
	f.progress.init()
	return f
}

// info is what readers may know. The caller holds progress.mu.
func (f *fill) info() Info {
	return Info{Size: f.progress.total, Digest: f.digest, ContentType: contentType, Complete: f.progress.proven, Tag: f.tag}
}

// leadsTo reports whether these are, or will be, the bytes with a digest.
func (f *fill) leadsTo(d catalog.Digest) bool {
	f.progress.mu.Lock()
	defer f.progress.mu.Unlock()
	return f.digest == d
}

func (f *fill) isProven() bool {
	f.progress.mu.Lock()
	defer f.progress.mu.Unlock()
	return f.progress.proven
}

func (f *fill) file() *os.File {
	f.progress.mu.Lock()
	defer f.progress.mu.Unlock()
	return f.open
}

// join adds a reader. The caller holds the cache's lock.
func (f *fill) join(h *Handle) {
	h.f = f
	f.readers[h] = struct{}{}
}

// leave takes a reader out, and closes the file behind the last one of a fetch that has ended.
func (f *fill) leave(h *Handle) {
	delete(f.readers, h)
	f.reads++
	f.sent += h.sent.Load()
	f.closeUnused()
}

func (f *fill) closeUnused() {
	if !f.ended || len(f.readers) > 0 {
		return
	}
	f.progress.mu.Lock()
	defer f.progress.mu.Unlock()
	if f.open != nil {
		f.open.Close()
		f.open = nil
	}
}

// setPart gives the readers a file to follow, which is not that of whoever writes.
func (f *fill) setPart(p *blob.Partial) error {
	file, err := p.Open()
	if err != nil {
		return err
	}
	f.part = p
	f.progress.mu.Lock()
	defer f.progress.mu.Unlock()
	if f.open != nil { // of what was begun before; nobody was given a byte of it
		f.open.Close()
	}
	f.open = file
	return nil
}
