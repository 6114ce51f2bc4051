package fill

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strings"
	"sync"
	"time"

	"bty/internal/blob"
	"bty/internal/catalog"
	"bty/internal/message"
	"bty/internal/origin"
	"bty/internal/wire"
)

// transfer is one run of a fetch: it takes up what is there, gets the rest and proves the whole.
type transfer struct {
	f    *fill
	part *blob.Partial
	sha  hash.Hash

	want catalog.Digest // declared, or what the registry says; zero if nobody knows
	room int64          // reserved for it

	mu   sync.Mutex
	mark origin.Mark
}

// run fetches the image and makes it complete.
func (f *fill) run(ctx context.Context) error {
	t := &transfer{f: f, want: f.id.digest, sha: sha256.New()}
	f.set(wire.CacheFillRunning)
	err := t.run(ctx)
	if err != nil && t.part != nil && t.resumable(ctx, err) {
		t.checkpoint()
		t.part.Rest()
	}
	err = f.c.public(ctx, err)
	f.c.noteFolder(err)
	return err
}

func (t *transfer) resumable(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, origin.ErrBroken) || errors.Is(err, origin.ErrRefused) && t.mark.Bytes > 0
}

func (t *transfer) run(ctx context.Context) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	if t.mark.Total == 0 || t.mark.Bytes < t.mark.Total {
		if err := t.fetch(ctx); err != nil {
			return err
		}
	} else if err := t.onlyProof(ctx); err != nil {
		return err
	}
	return t.prove()
}

// onlyProof is for a partial that has all bytes. Of an OCI blob the validator is its digest.
func (t *transfer) onlyProof(ctx context.Context) error {
	if d, err := catalog.ParseDigest(strings.Trim(t.mark.ETag, `"`)); err == nil && t.want.IsZero() && catalog.Scheme(t.f.src.Src) == "oras" {
		t.want = d
	}
	return t.learn(ctx, t.mark.Total)
}

func (f *fill) set(status string) {
	f.progress.mu.Lock()
	defer f.progress.mu.Unlock()
	f.status = status
}

// begin opens the partial. What an earlier run left is read again: only bytes that were hashed
// here count.
func (t *transfer) begin(ctx context.Context) (err error) {
	if t.part = t.f.part; t.part == nil {
		if t.part, err = t.f.store.Begin(t.note()); err != nil {
			return err
		}
	}
	if err := t.f.setPart(t.part); err != nil {
		return err
	}
	n, err := t.part.Rewind()
	if err != nil {
		return err
	}
	t.mark = origin.Mark{Total: n.Total, ETag: n.ETag, Modified: n.Modified}
	if n.Bytes == 0 || t.f.id.digest.IsZero() && t.mark.Validator() == "" {
		return t.restart()
	}
	if err := t.readAgain(ctx, n); err != nil {
		return err
	}
	if t.mark.Sum != n.Sum {
		t.f.c.cfg.Log.Warn("a partial image is not as it was written; it is fetched anew", message.BlobDamaged, "url", origin.Redact(n.Src), "err", "other bytes than before")
		return t.restart()
	}
	return nil
}

func (t *transfer) readAgain(ctx context.Context, n blob.Note) error {
	buf := make([]byte, buffer)
	for t.mark.Bytes < n.Bytes {
		if err := ctx.Err(); err != nil {
			return err
		}
		got, err := t.f.open.ReadAt(buf[:min(buffer, n.Bytes-t.mark.Bytes)], t.mark.Bytes)
		t.count(buf[:got])
		if err != nil && !(errors.Is(err, io.EOF) && t.mark.Bytes == n.Bytes) {
			return fmt.Errorf("read a partial image: %w", err)
		}
	}
	return nil
}

// restart forgets all bytes. Nobody may have been given one.
func (t *transfer) restart() error {
	t.mu.Lock()
	t.mark = origin.Mark{}
	t.mu.Unlock()
	t.sha.Reset()
	t.f.progress.change(func() { t.f.progress.written, t.f.progress.shown = 0, 0 })
	if err := t.part.Restart(t.note()); err != nil {
		return err
	}
	return t.f.setPart(t.part)
}

// buffer is what is read from the origin at a time.
const buffer = 256 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// count takes bytes into the proof.
func (t *transfer) count(p []byte) {
	t.sha.Write(p)
	t.mu.Lock()
	t.mark.Bytes += int64(len(p))
	t.mark.Sum = crc32.Update(t.mark.Sum, castagnoli, p)
	t.mu.Unlock()
	t.f.progress.advance(len(p))
}

// fetch gets what is missing. An image that was begun earlier and that the origin has replaced is
// begun anew: no reader was given a byte of it yet.
func (t *transfer) fetch(ctx context.Context) error {
	r, err := t.open(ctx)
	if errors.Is(err, origin.ErrChanged) && t.mark.Bytes > 0 {
		t.f.c.cfg.Log.Info("the origin has another image than the one that was begun", "url", origin.Redact(t.f.src.Src), "err", err)
		if err = t.restart(); err == nil {
			r, err = t.open(ctx)
		}
	}
	if err != nil {
		return err
	}
	defer r.Close()
	t.take(r)
	if err := t.learn(ctx, r.Size()); err != nil {
		return err
	}
	stop := t.checkpoints(ctx)
	defer stop()
	return t.copy(ctx, r)
}

func (t *transfer) open(ctx context.Context) (*origin.Reader, error) {
	o := t.f.c.cfg.Origin
	o.Log = t.f.c.cfg.Log
	o.Digest = t.f.id.digest
	o.Proven = !o.Digest.IsZero()
	o.Careful = !o.Proven
	if o.Proven || !t.f.src.Rolling {
		o.Size = t.f.src.Size
	}
	o.Resume = t.mark
	o.Waiting = t.f.waits
	t.f.attempt()
	return origin.Open(ctx, t.f.src.Src, o)
}

// take notes what tells this image from a later one.
func (t *transfer) take(r *origin.Reader) {
	m := r.Mark()
	if t.want.IsZero() {
		t.want = r.Digest()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mark.ETag, t.mark.Modified, t.mark.Total = m.ETag, m.Modified, max(r.Size(), 0)
}

// learn lets the readers go, once there is room.
func (t *transfer) learn(ctx context.Context, total int64) error {
	if err := t.reserve(ctx, max(total, t.mark.Bytes)); err != nil {
		return err
	}
	tag := ""
	if t.want.IsZero() {
		tag = tagOf(t.f.id.key, t.mark.ETag, t.mark.Modified)
	}
	t.f.progress.change(func() {
		t.f.progress.known, t.f.progress.total, t.f.progress.samples = true, total, nil
		t.f.digest, t.f.tag = t.want, tag
	})
	return nil
}

// reserve makes room. What failed earlier and only waits to be begun again has to go before the
// image that somebody waits for now; what is about to be complete may be evicted a moment later.
func (t *transfer) reserve(ctx context.Context, n int64) error {
	err := t.part.Reserve(n)
	for errors.Is(err, blob.ErrNoRoom) && t.f.c.mayGetRoom(ctx, t.f.store, t.f.src.Src, n) {
		err = t.part.Reserve(n)
	}
	if err == nil {
		t.room = n
	}
	return err
}

// reserveStep is what an image of unknown length is given room for at a time.
var reserveStep int64 = 64 << 20

// mayGoOn refuses an image of unknown length that takes half of the room already: it may never end, and all others
// would be evicted for it.
func (t *transfer) mayGoOn() error {
	room, err := t.f.store.Room()
	if err != nil || t.mark.Bytes <= room/2 {
		return err
	}
	return fmt.Errorf("%w: %d bytes have come of an image whose length its origin does not say, and such a one may take half of the %d that there is room for: "+
		"declare its size in the catalog, or raise the limit", blob.ErrNoRoom, t.mark.Bytes, room)
}

func (t *transfer) copy(ctx context.Context, r *origin.Reader) error {
	buf := make([]byte, buffer)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if err := t.keep(ctx, buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (t *transfer) keep(ctx context.Context, p []byte) error {
	if after := t.mark.Bytes + int64(len(p)); after > t.room {
		if err := t.mayGoOn(); err != nil {
			return err
		}
		if err := t.reserve(ctx, after+reserveStep); err != nil {
			return err
		}
	}
	if _, err := t.part.Write(p); err != nil {
		return err
	}
	t.f.arrived()
	t.f.c.totals.bytes.Add(int64(len(p)))
	t.count(p)
	return nil
}

// prove compares what was fetched with what was declared, gives the readers the rest, and makes
// the blob complete.
func (t *transfer) prove() error {
	f := t.f
	f.set(wire.CacheFillVerifying)
	var d catalog.Digest
	t.sha.Sum(d[:0])
	if !t.want.IsZero() && d != t.want {
		return fmt.Errorf("%w: its SHA-256 is %s, declared is %s", ErrProof, d, t.want)
	}
	f.progress.change(func() { f.progress.proven, f.progress.total, f.digest = true, f.progress.written, d })
	now := f.c.cfg.Now()
	src := blob.Source{Src: f.src.Src, Declared: f.id.digest, Rolling: f.src.Rolling, ETag: t.mark.ETag, Modified: t.mark.Modified, CheckedAt: now}
	return t.part.Commit(d, src, contentType)
}

// note is what a later process needs to go on.
func (t *transfer) note() blob.Note {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, m := t.f, t.mark
	return blob.Note{Key: f.id.key, Src: f.src.Src, Declared: f.id.digest, Size: f.src.Size, Rolling: f.src.Rolling,
		Total: m.Total, ETag: m.ETag, Modified: m.Modified, Bytes: m.Bytes, Sum: m.Sum}
}

// checkpoint makes what has come last. Without it the next process fetches it again.
func (t *transfer) checkpoint() {
	if err := t.part.Checkpoint(t.note()); err != nil {
		t.f.c.cfg.Log.Warn("what was fetched so far could not be made to last", message.CacheUnwritten, "err", err)
	}
}

// checkEvery is how much time of a fetch a kill may cost.
var checkEvery = 5 * time.Second

// checkpoints brings what has come to the disk now and then, beside the fetch.
func (t *transfer) checkpoints(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(checkEvery)
		defer tick.Stop()
		for {
			t.checkpoint()
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}
