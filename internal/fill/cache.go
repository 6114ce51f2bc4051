package fill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"bty/internal/blob"
	"bty/internal/catalog"
	"bty/internal/flood"
	"bty/internal/message"
	"bty/internal/origin"
	"bty/internal/owner"
)

// Config of New. Each zero field has the default named with it.
type Config struct {
	Dir     string
	Limit   int64         // bytes that are held at most; 0 = no limit
	Floor   int64         // bytes that stay free on the file system
	Fills   int           // that run at one time; default 4
	Recheck time.Duration // how often an origin is asked whether it has other bytes now; default 15 min
	Reprove time.Duration // how often the bytes of an image are read again, to find what a disk has lost; default 30 days
	Stale   time.Duration // what was begun and has not grown for so long is not begun again; default 7 days
	Origin  origin.Options
	// Listed reports whether a source is of the catalog; nil: all are. What is not may take Share percent
	// of the room, and goes first.
	Listed func(src string) bool
	Share  int
	// Wanted tells at the start whether what an earlier process began to fetch is to go on.
	// Default: all is.
	Wanted func(Source) bool
	Log    *slog.Logger
	Now    func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Fills <= 0 {
		c.Fills = 4
	}
	if c.Recheck <= 0 {
		c.Recheck = 15 * time.Minute
	}
	if c.Reprove <= 0 {
		c.Reprove = 30 * 24 * time.Hour
	}
	if c.Stale <= 0 {
		c.Stale = 7 * 24 * time.Hour
	}
	if c.Wanted == nil {
		c.Wanted = func(Source) bool { return true }
	}
	if c.Listed == nil {
		c.Listed = func(string) bool { return true }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Origin.Client == nil {
		c.Origin.Client = origin.NewClient(origin.ClientOptions{})
	}
	return c
}

// Cache is safe for concurrent use. Fetches go on while Run runs.
type Cache struct {
	cfg  Config
	wake chan struct{} // a fill was added, or has ended
	look chan struct{} // an image was used whose source may have moved
	fail *flood.Log    // who may ask for any address below a prefix can cause as many failures

	mu      sync.Mutex
	store   *blob.Store // nil while the folder cannot be used
	trouble error       // why
	triedAt time.Time
	refused error        // of the last write that the folder did not take; nil after one that it took
	fills   map[id]*fill // waiting, running, or failed of late
	queue   []*fill      // waiting
	running int          // the resting ones too
	resting int
	handles map[*Handle]struct{}
	misses  misses
	trash   []*blob.Partial // to be deleted, which may take a while
	stopped bool

	counted counted
	totals  totals
}

// id tells fetches apart: the same address may be wanted with other bytes than before.
type id struct {
	key    string
	digest catalog.Digest
}

// New returns a Cache over a folder. A folder that cannot be used is a problem that Status shows;
// it is tried again with each request.
func New(cfg Config) *Cache {
	c := &Cache{cfg: cfg.withDefaults(), wake: make(chan struct{}, 1), look: make(chan struct{}, 1), fills: map[id]*fill{}, handles: map[*Handle]struct{}{}}
	c.fail = flood.New(c.cfg.Log, message.Flood)
	c.misses.at = map[string]*miss{}
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.open() // Status tells
	return c
}

// retryFolder is how often a folder that cannot be used is tried again.
const retryFolder = time.Second

// open makes the store usable. The caller holds mu.
func (c *Cache) open() error {
	now := c.cfg.Now()
	if c.store != nil {
		return nil
	}
	if c.trouble != nil && now.Sub(c.triedAt) < retryFolder {
		return c.trouble
	}
	if c.running > 0 {
		return fmt.Errorf("%w: %s was removed, and what was being fetched into it has not ended yet", ErrFolder, c.cfg.Dir)
	}
	c.triedAt = now
	store, err := blob.Open(blob.Config{Dir: c.cfg.Dir, Limit: c.cfg.Limit, Floor: c.cfg.Floor, Listed: c.cfg.Listed, Share: c.cfg.Share, Log: c.cfg.Log, Now: c.cfg.Now})
	if err != nil {
		c.trouble = fmt.Errorf("%w: %w; see that %s exists, that its file system is mounted writable, and that the user of bty-cache may write there", ErrFolder, owner.Explain(c.cfg.Dir, err), c.cfg.Dir)
		return c.trouble
	}
	c.store, c.trouble = store, nil
	c.takeUp()
	return nil
}

// Open returns a handle on an image. What is not here begins to be fetched; the handle follows it.
// remote is who reads, for people.
func (c *Cache) Open(ctx context.Context, src Source, remote string) (*Handle, error) {
	key, err := Key(src.Src)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	src = src.known()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.open(); err != nil {
		return nil, err
	}
	h := &Handle{c: c, src: src.Src, remote: remote, began: c.cfg.Now(), must: src.Asked}
	leased, err := c.lease(h, key, src)
	if err != nil {
		return nil, err
	}
	if leased {
		c.handles[h] = struct{}{}
		return h, nil
	}
	if d, bound := c.store.Find(key); bound && src.Digest.IsZero() && !src.Asked.IsZero() {
		return nil, fmt.Errorf("%w: its SHA-256 is %s, asked for was %s", ErrProof, d, src.Asked)
	}
	f, err := c.want(key, src)
	if err != nil {
		return nil, err // who asked tells why it was not given
	}
	c.misses.add(origin.Redact(src.Src), "it was not held yet", c.cfg.Now())
	f.join(h)
	c.handles[h] = struct{}{}
	return h, nil
}

// lease gives a handle what is held. An image without a declared digest is looked at in the
// background now and then; the reader does not wait for that.
func (c *Cache) lease(h *Handle, key string, src Source) (bool, error) {
	d, ok := c.meant(key, src)
	if !ok {
		return false, nil
	}
	l, file, err := c.store.Lease(d)
	switch {
	case errors.Is(err, blob.ErrNotHeld):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%w now: %w", ErrFolder, err)
	}
	if src.Asked.IsZero() {
		c.rebind(key, d, src)
	}
	h.lease, h.file, h.info = l, file, Info{Size: l.Size, Digest: d, ContentType: l.Type, Complete: true, Tag: c.tagOf(key, d)}
	nudge(c.look)
	return true, nil
}

// tagOf is what named a blob while it was fetched from a source.
func (c *Cache) tagOf(key string, d catalog.Digest) string {
	if bound, ok := c.store.Find(key); !ok || bound != d {
		return ""
	}
	known, _ := c.store.Source(key)
	return tagOf(key, known.ETag, known.Modified)
}

// meant is the blob that a reader of a source wants.
func (c *Cache) meant(key string, src Source) (catalog.Digest, bool) {
	switch {
	case !src.Digest.IsZero():
		return src.Digest, true
	case !src.Asked.IsZero():
		return src.Asked, true
	}
	return c.store.Find(key)
}

// rebind records another address of the same bytes, which are kept once, or that what is wanted of
// one has changed.
func (c *Cache) rebind(key string, d catalog.Digest, src Source) {
	now, bound := c.store.Find(key)
	known, _ := c.store.Source(key)
	switch {
	case !bound || now != d:
		_ = c.store.Bind(key, d, blob.Source{Src: src.Src, Declared: src.Digest, Rolling: src.Rolling}) // it has just been leased
	case known.Declared != src.Digest || known.Rolling != src.Rolling:
		c.store.Note(key, func(s *blob.Source) { s.Declared, s.Rolling = src.Digest, src.Rolling })
	}
}

// Held reports what is here in full, without fetching anything.
func (c *Cache) Held(src Source) (Info, bool) {
	key, err := Key(src.Src)
	if err != nil {
		return Info{}, false
	}
	src = src.known()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open() != nil {
		return Info{}, false
	}
	d, ok := c.meant(key, src)
	if i, held := c.store.Info(d); ok && held {
		return Info{Size: i.Size, Digest: d, ContentType: i.Type, Complete: true}, true
	}
	if f := c.underWay(key, src); f != nil && src.Asked.IsZero() { // proven, and about to get its name
		f.progress.mu.Lock()
		defer f.progress.mu.Unlock()
		return f.info(), f.progress.proven
	}
	return Info{}, false
}

// Warm fetches an image unless it is here or on its way.
func (c *Cache) Warm(src Source) error {
	key, err := Key(src.Src)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.open(); err != nil {
		return err
	}
	d, bound := c.store.Find(key)
	if bound && (src.Digest.IsZero() || d == src.Digest) {
		return nil
	}
	if _, held := c.store.Info(src.Digest); held {
		return c.store.Bind(key, src.Digest, blob.Source{Src: src.Src, Declared: src.Digest, Rolling: src.Rolling})
	}
	if f := c.fills[id{key, src.Digest}]; f != nil && f.ended {
		f.again = time.Time{} // somebody asked for it on purpose
	}
	_, err = c.want(key, src)
	return err
}

// nudge makes whoever waits for it look at what there is to do.
func nudge(what chan<- struct{}) {
	select {
	case what <- struct{}{}:
	default:
	}
}
