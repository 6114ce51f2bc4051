package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bty/internal/catalog"
	"bty/internal/fault"
	"bty/internal/fill"
	"bty/internal/message"
	"bty/internal/origin"
)

const (
	// headTime is how long HEAD waits for the length: bty-web and its predecessor give up after 3 s.
	headTime = 2500 * time.Millisecond
	// getTime is how long GET waits for the first word of the origin: clients give up after 30 s.
	getTime = 25 * time.Second
)

// errSlow is an origin that has said nothing yet; the fetch goes on.
var errSlow = errors.New("the origin has not said how long the image is yet; it is being fetched, ask again")

// blob answers for one image.
func (f *Face) blob(w http.ResponseWriter, r *http.Request) {
	a, err := askOf(r)
	if err != nil {
		f.refuse(w, r, "", http.StatusBadRequest, fault.New(fault.Invalid, "%v", err))
		return
	}
	src, err := f.admit(a)
	if err != nil {
		f.refuse(w, r, a.src, statusOf(err), err)
		return
	}
	if f.Strict() && !f.held(src) {
		f.miss(w, r, src)
		return
	}
	h, info, err := f.open(r, src, f.isOnlyAsked(a))
	if err != nil {
		f.refuse(w, r, src.Src, statusOf(err), err)
		return
	}
	defer h.Close()
	f.send(w, r, src, h, info)
}

// admit is the source as the rules know it, with the digest that was asked for.
func (f *Face) admit(a ask) (fill.Source, error) {
	src, err := f.Rules.Admit(a.src)
	switch {
	case err != nil || a.digest.IsZero():
		return src, err
	case !src.Digest.IsZero() && src.Digest != a.digest:
		// Who works by a plan from before gets what it names, as long as it is held.
		if earlier := (fill.Source{Src: src.Src, Asked: a.digest}); f.held(earlier) {
			return earlier, nil
		}
		return src, fault.New(fault.Conflict, "the catalog has this image with the digest %s, not %s; ask the appliance for a new plan", src.Digest, a.digest)
	}
	src.Asked = a.digest
	return src, nil
}

// isOnlyAsked reports whether a digest is the asker's word alone. Nobody vouches for the origin then,
// so its bytes are looked at before the first of them is given.
func (f *Face) isOnlyAsked(a ask) bool {
	src, err := f.Rules.Admit(a.src)
	return err == nil && !a.digest.IsZero() && src.Digest.IsZero()
}

func (f *Face) held(src fill.Source) bool {
	_, held := f.Cache.Held(src)
	return held
}

// miss is what withcache answered for what it did not have: nothing, and the image later.
func (f *Face) miss(w http.ResponseWriter, r *http.Request, src fill.Source) {
	f.missed.Add(1)
	err := f.Cache.Warm(src)
	if has, held := f.Cache.Held(fill.Source{Src: src.Src}); err == nil && held && !src.Asked.IsZero() {
		err = fmt.Errorf("%w: its SHA-256 is %s, asked for was %s", fill.ErrProof, has.Digest, src.Asked) // nothing is fetched
	}
	if err == nil {
		err = fault.New(fault.NotFound, "cache miss (recorded); the image is being fetched")
	}
	f.refuse(w, r, src.Src, statusOf(err), err)
}

// open waits until the length is known, or until the bytes are proven. For HEAD an origin that says
// nothing is no image yet: who asks goes to the origin itself then.
func (f *Face) open(r *http.Request, src fill.Source, proven bool) (*fill.Handle, fill.Info, error) {
	h, err := f.Cache.Open(r.Context(), src, remote(r).String())
	if err != nil {
		return nil, fill.Info{}, err
	}
	if h.IsMiss() {
		f.missed.Add(1)
	}
	limit, late := getTime, fault.Unavailable
	if r.Method == http.MethodHead {
		limit, late = headTime, fault.NotFound
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), limit, errSlow)
	defer cancel()
	info, err := h.Info(ctx)
	if err == nil && proven && info.Size > 0 {
		_, err = h.ReadAt(ctx, make([]byte, 1), info.Size-1) // the last byte is given when all are proven
	}
	if err == nil && (info.Size == 0 || info.Size < 0 && !r.ProtoAtLeast(1, 1)) {
		info, err = whole(ctx, h) // an empty one has no last bytes to hold back: its head alone says that it is all there
	}
	switch {
	case errors.Is(err, errSlow):
		err = fault.New(late, "%v", errSlow)
	case err == nil && info.Size < 0 && r.Method == http.MethodHead:
		err = fault.New(fault.NotFound, "the origin does not say how long the image is; it is being fetched, ask again")
	}
	if err != nil {
		missed := h.IsMiss()
		h.Close()
		if missed {
			err = countedError{err}
		}
		return nil, fill.Info{}, err
	}
	return h, info, nil
}

// whole waits for the end of an image whose length nobody knows before it. Who speaks HTTP/1.0 knows such an answer by
// the end of the connection alone, and would take one that breaks off for the whole.
func whole(ctx context.Context, h *fill.Handle) (fill.Info, error) {
	if _, err := h.Until(ctx, math.MaxInt64); !errors.Is(err, io.EOF) {
		return fill.Info{}, err
	}
	return h.Info(ctx)
}

// countedError is why an image was not given that is counted as a miss already.
type countedError struct{ error }

func (e countedError) Unwrap() error { return e.error }

// send answers with an image, all of it or a part, whether it is here yet or not.
func (f *Face) send(w http.ResponseWriter, r *http.Request, src fill.Source, h *fill.Handle, info fill.Info) {
	header := w.Header()
	header.Set("Content-Type", info.ContentType)
	header.Set("X-Content-Type-Options", "nosniff")
	if tag := tagOf(r, info); tag != "" {
		header.Set("ETag", tag)
	}
	if info.Complete {
		header.Set("X-Withcache-Sha256", info.Digest.String())
	}
	part := decide(header, r, info.Size)
	w.WriteHeader(part.status)
	if r.Method == http.MethodHead || part.length == 0 {
		return
	}
	f.copy(w, r, src, h, part)
}

// manyBytes is what nobody gets so often that lines of it fill the journal: a rack of machines has a
// line each.
const manyBytes = 64 << 20

// copy sends a part and tells how that went.
func (f *Face) copy(w http.ResponseWriter, r *http.Request, src fill.Source, h *fill.Handle, p part) {
	begun := f.Now()
	sent, err := copyPart(r.Context(), w, h, p)
	f.sent.Add(sent)
	from, shown, took := remote(r), cut(origin.Redact(src.Src)), f.Now().Sub(begun)
	switch {
	case err == nil && sent >= manyBytes:
		f.given.Add(1)
		f.Log.Info("image given", message.CacheSent, "src", shown, "remote", from.String(), "offset", p.offset, "bytes", sent, "dur", took)
		return
	case err == nil:
		f.given.Add(1)
		f.Strangers.Info(from, "image given", message.CacheSent, "src", shown, "remote", from.String(), "offset", p.offset, "bytes", sent, "dur", took)
		return
	}
	f.broken.Add(1)
	f.Strangers.Info(from, "image broke off", message.CacheBroken, "src", shown, "remote", from.String(), "offset", p.offset, "bytes", sent, "dur", took,
		"err", publicOf(err))
	// The length that was announced does not come: the connection ends here, so that nobody takes
	// what came for the whole.
	panic(http.ErrAbortHandler)
}

// tagOf is the validator of an answer. An image whose digest nobody knows yet has one of its own, and
// who goes on with it is given it again when the digest is known: else a reader whose connection
// broke could not tell an image that was replaced from the one that he began with.
func tagOf(r *http.Request, info fill.Info) string {
	own := `"fill:` + info.Tag + `"`
	switch {
	case info.Tag != "" && (info.Digest.IsZero() || r.Header.Get("If-Range") == own):
		return own
	case info.Digest.IsZero():
		return ""
	}
	return etag(info.Digest)
}

// etag names bytes by their digest: a strong validator (RFC 9110 section 8.8.1).
func etag(d catalog.Digest) string { return `"sha256:` + d.String() + `"` }

// part is what of an image an answer has; length -1 is up to an end that nobody knows yet.
type part struct {
	status         int
	offset, length int64
}

// decide answers ranges and conditions (RFC 9110 sections 13 and 14) and sets the headers of that. net/http
// decides, over a body of the same length that nobody reads.
func decide(header http.Header, r *http.Request, size int64) part {
	if size < 0 {
		header.Set("Accept-Ranges", "none")
		return part{http.StatusOK, 0, -1}
	}
	asked := r.Clone(r.Context())
	asked.Method = http.MethodHead
	if part := asked.Header.Get("Range"); r.Method == http.MethodHead || strings.Contains(part, ",") || !strings.HasPrefix(part, "bytes=") {
		asked.Header.Del("Range") // ranges are of GET alone; of several parts, or none that is known, all of it is an answer too
	}
	d := &decision{header: header, status: http.StatusOK}
	http.ServeContent(d, asked, "", time.Time{}, io.NewSectionReader(nil, 0, size))
	length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	switch {
	case d.status == http.StatusPartialContent && length == 0: // the last 0 bytes are no range (RFC 9110 section 14.1.2)
		header.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		header.Del("ETag")
		d.status = http.StatusRequestedRangeNotSatisfiable
	case d.status == http.StatusPartialContent && err == nil:
		var offset int64
		_, _ = fmt.Sscanf(header.Get("Content-Range"), "bytes %d-", &offset) // it has just been written
		return part{d.status, offset, length}
	case d.status == http.StatusOK:
		return part{d.status, 0, size}
	}
	header.Del("Content-Length")
	return part{d.status, 0, 0}
}

// decision is a http.ResponseWriter for the headers alone.
type decision struct {
	header http.Header
	status int
}

func (d *decision) Header() http.Header         { return d.header }
func (d *decision) WriteHeader(status int)      { d.status = status }
func (d *decision) Write(p []byte) (int, error) { return len(p), nil }

// piece is what is sent between two looks at the clock.
const piece = 4 << 20

// pieceTime is how long a reader may take for one: it holds a connection and a file, and may have been
// switched off. How long the piece takes to come from the origin does not count.
var pieceTime = 15 * time.Minute

// copyPart sends a part. w goes to the engine as it is: net/http lets the kernel copy (sendfile). Who asks for
// bytes far behind those that are here has the head of the answer meanwhile, and knows that they come.
func copyPart(ctx context.Context, w http.ResponseWriter, h *fill.Handle, p part) (sent int64, err error) {
	deadline := http.NewResponseController(w)
	defer func() { _ = deadline.SetWriteDeadline(time.Time{}) }() // the connection may be used again
	if h.IsMiss() {
		_ = deadline.SetWriteDeadline(time.Now().Add(pieceTime))
		_ = deadline.Flush() // who has gone is noticed below
	}
	for p.length < 0 || sent < p.length {
		there, err := h.Until(ctx, p.offset+sent)
		if errors.Is(err, io.EOF) && p.length < 0 {
			return sent, nil
		}
		if err != nil {
			return sent, err
		}
		want := min(there, piece)
		if p.length >= 0 {
			want = min(want, p.length-sent)
		}
		_ = deadline.SetWriteDeadline(time.Now().Add(pieceTime))
		n, err := h.CopyTo(ctx, w, p.offset+sent, want)
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}
