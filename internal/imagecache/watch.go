package imagecache

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http/httptrace"
	"time"

	"bty/internal/catalog"
	"bty/internal/client"
	"bty/internal/message"
	"bty/internal/wire"
)

const (
	lookTime   = 3 * time.Second
	settleTime = 200 * time.Millisecond // in which changes gather
	restFor    = 10                     // times as long as it took: all machines of a fleet are looked at, which may change all the time
	firstPause = time.Second            // after a list that was not taken
	maxPause   = time.Minute
)

// watch is what Run knows.
type watch struct {
	socket *client.Cache // its own: a connection that ended says that the cache did

	isHere bool
	told   bool              // that there is none
	dirty  bool              // the catalog may be another
	users  bool              // so may be who its images are for
	rest   time.Time         // until when nobody looks at that again
	want   wire.CacheSources // to be published
	list   sum               // of what was published, zero for nothing
	pause  time.Duration     // after the next failure
	next   time.Time         // when to try again

	inUse   map[catalog.ImageRef]wire.CacheSource // nil before the first look
	pending map[catalog.ImageRef]wire.CacheSource // to be fetched
	seen    *holdings                             // nil before the first look
	rolling []catalog.Entry                       // that have something new to take
	asked   map[catalog.Digest]time.Time          // for their new bytes
}

type sum = [sha256.Size]byte

func newWatch(c Config) *watch {
	return &watch{socket: client.NewCache(c.Socket, c.Agent), dirty: true, users: true, pause: firstPause, pending: map[catalog.ImageRef]wire.CacheSource{}, asked: map[catalog.Digest]time.Time{}}
}

// Run watches the cache and keeps it informed until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	defer k.cache.Close()
	defer k.watch.socket.Close()
	tick := time.NewTicker(k.Every)
	defer tick.Stop()
	for {
		k.round(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-k.changed:
			k.watch.dirty, k.watch.users = true, true
			if !sleep(ctx, settleTime) {
				return nil
			}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (k *Keeper) round(ctx context.Context) {
	w := k.watch
	if w.dirty {
		k.gather()
	}
	isHere := k.look(ctx)
	if ctx.Err() != nil {
		return
	}
	knows := isHere && k.publish(ctx)
	if isHere && w.list != (sum{}) { // an older catalog is better than none
		k.answered.Store(k.Now().UnixNano())
	}
	if begun := k.Now(); w.users && w.seen != nil && !begun.Before(w.rest) { // nobody counts for a cache that never was
		k.lookForUsers()
		w.rest = k.Now().Add(restFor * k.Now().Sub(begun))
	}
	if knows {
		k.warmPending(ctx)
	}
	k.roll(ctx)
}

// look asks the cache how it is, and reports whether it is there.
func (k *Keeper) look(ctx context.Context) bool {
	w, isNew := k.watch, false
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { isNew = !info.Reused }}
	status, err := w.socket.Status(httptrace.WithClientTrace(ctx, trace))
	if err != nil {
		k.missed(ctx, err)
		return false
	}
	if isNew { // perhaps another process, which perhaps knows nothing
		w.list, w.next = sum{}, time.Time{}
	}
	if !w.isHere {
		w.isHere, w.told = true, true
		k.Log.Info("the image cache of this host is there", message.CacheHere, "socket", k.Socket)
	}
	k.note(status)
	k.compare(ctx, status)
	return true
}

// missed notes that the cache did not answer. One that is busy may do so at the next look.
func (k *Keeper) missed(ctx context.Context, err error) {
	w := k.watch
	if client.IsAbsent(err) {
		k.answered.Store(0)
	}
	switch {
	case k.Here() || context.Cause(ctx) == context.Canceled:
	case w.isHere:
		w.isHere = false
		k.Log.Warn("the image cache of this host does not answer; machines fetch from the origins", message.CacheAway, "socket", k.Socket, "err", err)
	case !w.told:
		w.told = true
		_, start := client.StartCache()
		k.Log.Info("there is no image cache on this host; machines fetch from the origins", message.CacheNone, "socket", k.Socket, "next", start)
	}
}

// gather reads what there is to publish and what rolls.
func (k *Keeper) gather() {
	w := k.watch
	list, rolling, err := k.Images.Sources()
	if err != nil {
		k.Log.Warn("the catalog cannot be read for the image cache", message.CacheUninformed, "err", err)
		return
	}
	w.dirty, w.want, w.rolling = false, list, rolling
}

// lookForUsers finds out which images machines have come to want.
func (k *Keeper) lookForUsers() {
	w := k.watch
	now, err := k.Images.InUse()
	if err != nil {
		return // as of the catalog, which says so
	}
	w.users = false
	for ref, s := range now {
		if was, known := w.inUse[ref]; w.inUse != nil && (!known || was.SHA256 != s.SHA256) {
			w.pending[ref] = s
		}
	}
	for ref := range w.pending {
		if _, still := now[ref]; !still {
			delete(w.pending, ref)
		}
	}
	w.inUse = now
}

// publish tells the cache the catalog, unless it knows it, and reports whether it does now.
func (k *Keeper) publish(ctx context.Context) bool {
	w := k.watch
	list := sumOf(w.want)
	if list == w.list {
		return true
	}
	if w.want.Sources == nil || k.Now().Before(w.next) {
		return false
	}
	err := w.socket.Publish(ctx, w.want)
	if err == nil {
		w.list, w.pause, w.next = list, firstPause, time.Time{}
		return true
	}
	if w.next.IsZero() && ctx.Err() == nil {
		k.Log.Warn("the image cache did not take the catalog; it is told again", message.CacheUninformed, "socket", k.Socket, "err", err)
	}
	w.next = k.Now().Add(w.pause)
	w.pause = min(2*w.pause, maxPause)
	return false
}

func sumOf(list wire.CacheSources) sum {
	raw, _ := json.Marshal(list) // our own type, which always encodes
	return sha256.Sum256(raw)
}

// warmPending has the cache fetch what machines have come to want. What it refuses is fetched when a
// machine asks for it, or is told then.
func (k *Keeper) warmPending(ctx context.Context) {
	w := k.watch
	for ref, s := range w.pending {
		err := w.socket.Warm(ctx, s)
		if err != nil && client.CodeOf(err) == 0 {
			return // at the next round
		}
		if err != nil {
			k.Log.Warn("the image cache does not fetch an image that was assigned", message.CacheUnwilling, "image", s.Name, "src", s.Src, "err", err)
		}
		delete(w.pending, ref)
	}
}
