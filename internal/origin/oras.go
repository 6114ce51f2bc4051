package origin

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"path"
	"time"

	"bty/internal/catalog"
	"bty/internal/oras"
)

// ociBlob is a blob of an OCI registry. Its digest names it: no validator is needed to know that
// it is still the same one, and the mirrors need not agree on one.
type ociBlob struct{ *oras.Blob }

func (r *ociBlob) get(ctx context.Context, from int64, _ validators) (*http.Response, error) {
	resp, err := r.Get(ctx, from)
	if err != nil {
		return nil, registryError(err)
	}
	// An ETag of one mirror says nothing about the answer of another.
	resp.Header.Del("ETag")
	resp.Header.Del("Last-Modified")
	return resp, nil
}

func (r *ociBlob) part(ctx context.Context, from, n int64, _ string) (*http.Response, error) {
	resp, err := r.Part(ctx, from, n)
	if err != nil {
		return nil, registryError(err)
	}
	resp.Header.Del("ETag")
	resp.Header.Del("Last-Modified")
	return resp, nil
}

// refused: whoever began was let in, so a token or a signed URL has expired since then. The next
// request gets new ones.
func (r *ociBlob) refused(resp *http.Response, began bool) error {
	if denied(resp.StatusCode) && (began || r.Redirected(resp)) {
		return fmt.Errorf("%w: %s answered %s", ErrRefused, resp.Request.URL.Host, resp.Status)
	}
	return registryError(r.Explain(resp))
}

func (r *ociBlob) close() { r.Close() }

// registryError is an error of package oras without the reference, which the caller names.
func registryError(err error) error {
	e, ok := errors.AsType[*oras.Error](err)
	switch {
	case !ok:
		return &finalError{fmt.Errorf("%w: %w", ErrSource, err)}
	case e.Refused:
		return &finalError{fmt.Errorf("%w: %w", ErrRefused, e.Why())}
	}
	if e.After > 0 {
		return &busyError{e.Why(), e.After}
	}
	return e.Why()
}

// busyError is of a registry that says when to ask again.
type busyError struct {
	error
	after time.Duration
}

func (b *busyError) Unwrap() error { return b.error }

// openORAS finds the blob, as patiently as it is read later on, and begins to read it.
func openORAS(ctx context.Context, source string, opts Options) (*Reader, error) {
	client := opts.registry()
	opts.Proven = true
	s := newStream(ctx, source, opts)
	for s.from == nil {
		blob, err := client.Blob(s.ctx, source, blobOf(opts.Digest))
		if err == nil {
			s.from = &ociBlob{blob}
		} else if err := s.pause(s.cause(registryError(err))); err != nil {
			s.cancel(err)
			return nil, err
		}
	}
	return s.openBlob(s.from.(*ociBlob).Image)
}

func (o Options) registry() *oras.Client {
	if o.Registry == nil {
		return &oras.Client{HTTP: o.Client}
	}
	return o.Registry.Over(o.Client)
}

func blobOf(d catalog.Digest) string {
	if d.IsZero() {
		return ""
	}
	return "sha256:" + d.String()
}

func (s *stream) openBlob(image oras.Image) (*Reader, error) {
	digest, err := catalog.ParseDigest(image.Digest)
	if err == nil && image.Size > 0 {
		err = declared(s.opts.Size, image.Size, s.shown)
		s.total, s.opts.Size = image.Size, image.Size
	}
	etag := etagOf(image)
	if began := s.valid.etag; err == nil && began != "" && began != etag {
		err = fmt.Errorf("%w: the reference led to %s, now it leads to %s", ErrChanged, began, etag)
	}
	s.valid = validators{} // of the registry's answers there are none
	if err == nil {
		err = s.first()
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	r := s.reader(path.Base("/" + image.Title))
	r.digest, r.etag = digest, etag
	if blob := s.from.(*ociBlob); blob.Mirrored() && s.got == 0 {
		r.ReadCloser = &proof{ReadCloser: s, blob: blob.Blob, sum: sha256.New(), want: digest}
	}
	r.mark = func() Mark {
		m := s.mark()
		m.ETag = etag
		return m
	}
	if image.Title == "" {
		r.name = ""
	}
	return r, nil
}
