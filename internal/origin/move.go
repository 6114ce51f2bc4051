package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"bty/internal/catalog"
	"bty/internal/oras"
)

// Move is what a Reader did whose cache was gone.
type Move struct {
	Cache  string // its server, without what it was asked for
	Origin string // as it may be shown
	Bytes  int64  // that came from the cache
	Cause  error
}

// awayError is a final failure of a source that is not there. One that is there and refuses means it.
type awayError struct{ error }

func (a *awayError) Unwrap() error { return a.error }

func isAway(err error) bool {
	_, ok := errors.AsType[*awayError](err)
	return ok
}

// use is what became of the bytes of a Reader. Parts that were read anywhere are of one server, and
// nothing proves that they are of the other's image.
type use struct{ is atomic.Int32 }

const (
	inOrder int32 = iota
	inParts
	elsewhere
)

func (u *use) part() bool { return u.is.CompareAndSwap(inOrder, inParts) || u.is.Load() == inParts }
func (u *use) move() bool { return u.is.CompareAndSwap(inOrder, elsewhere) }

// move goes on at the origin behind a cache, once: err is why the cache is given up. A declared digest
// proves in the end that both had the same image, so what is missing is enough. Without one all of it
// is read, and what is there already is compared.
func (s *stream) move(cause, err error) error {
	behind := s.opts.Behind
	if behind == "" {
		return err
	}
	m := Move{Cache: serverOf(s.shown), Origin: Redact(behind), Bytes: s.got, Cause: cause}
	switch {
	case !s.opts.Proven && strings.HasPrefix(s.shown, "https:") && catalog.Scheme(behind) == "http":
		return fmt.Errorf("%w; its origin %s is not asked instead, since without encryption anybody could change what it gives; bring the cache back, or declare the image's SHA-256", err, m.Origin)
	case !s.use.move():
		return fmt.Errorf("%w: %s: %w", ErrAgain, m.Cache, cause)
	}
	s.from.close()
	s.opts.Behind, s.opts.Header = "", nil // which was meant for the cache
	s.from, s.shown, s.moved = s.behind(behind), m.Origin, &m
	s.valid, s.foreign = validators{}, s.got > 0 && !s.opts.Proven
	s.fails, s.denied, s.slow, s.few, s.after = 0, 0, 0, 0, 0
	if s.opts.Moved != nil {
		s.opts.Moved(m)
	}
	return nil
}

func (s *stream) behind(src string) source {
	if catalog.Scheme(src) == "oras" {
		return &lateBlob{client: s.opts.registry(), src: src, digest: blobOf(s.opts.Digest)}
	}
	return newWeb(src, s.opts)
}

// afterMove makes an error at the origin name the cache as well.
func (s *stream) afterMove(err error) error {
	if s.moved == nil || errors.Is(err, io.EOF) || context.Cause(s.ctx) != nil {
		return err
	}
	advice := ": bring that back, or let this machine reach the origin" + s.rights()
	if errors.Is(err, ErrChanged) || errors.Is(err, ErrLength) { // it does reach it
		advice = ""
	}
	return fmt.Errorf("%w; it was asked because the cache %s had failed (%v)%s", err, s.moved.Cache, s.moved.Cause, advice)
}

// rights says what a machine may lack at a registry that its cache has.
func (s *stream) rights() string {
	if _, ok := s.from.(*lateBlob); ok {
		return ", with BTY_ORAS_CREDENTIALS_FILE and BTY_ORAS_PLAIN_HTTP if the registry wants a password or http"
	}
	return ""
}

// serverOf is the address of a server in a URL of it.
func serverOf(shown string) string {
	u, err := url.Parse(shown)
	if err != nil {
		return shown
	}
	return u.Scheme + "://" + u.Host
}

// lateBlob is a blob whose registry is asked for the first time when the bytes are.
type lateBlob struct {
	*ociBlob // nil until then
	client   *oras.Client
	src      string
	digest   string
}

func (l *lateBlob) get(ctx context.Context, from int64, valid validators) (*http.Response, error) {
	if l.ociBlob == nil {
		blob, err := l.client.Blob(ctx, l.src, l.digest)
		if err != nil {
			return nil, registryError(err)
		}
		l.ociBlob = &ociBlob{blob}
	}
	return l.ociBlob.get(ctx, from, valid)
}

func (l *lateBlob) close() {
	if l.ociBlob != nil {
		l.ociBlob.close()
	}
}

// lateDigest is that of the manifest of a registry that the stream moved to.
func (s *stream) lateDigest() (d catalog.Digest) {
	if l, ok := s.from.(*lateBlob); ok && l.ociBlob != nil {
		d, _ = catalog.ParseDigest(l.ociBlob.Image.Digest)
	}
	return d
}
