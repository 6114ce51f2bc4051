package oras

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"

	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// Blob is an image at its registry and at the mirrors of that. It belongs to one goroutine.
type Blob struct {
	Image
	src     string
	session *session
	places  []spot
}

// spot is one place of a blob.
type spot struct {
	registry.Reference
	asked int64 // from which byte it was asked for last, -1 if it was not
	spent bool  // it gave nothing the last time
	gave  bool  // it gave some of the bytes
}

var blobDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Blob finds the image behind a reference. With a digest it is that blob of the repository,
// wherever a tag points meanwhile, and nothing is asked; its Size is 0 then. Close ends it.
func (c *Client) Blob(ctx context.Context, src, digest string) (*Blob, error) {
	ref, err := parse(src)
	if err != nil {
		return nil, err
	}
	image := Image{Digest: digest}
	if digest == "" {
		if image, err = c.Resolve(ctx, src); err != nil {
			return nil, err
		}
	} else if !blobDigest.MatchString(digest) {
		return nil, &Error{Ref: src, Refused: true, Err: fmt.Errorf("%.100q is no digest; want sha256:<64 hex>", digest)}
	}
	b := &Blob{Image: image, src: src, session: c.session()}
	all := c.places(ref)
	for i, place := range all {
		if i == len(all)-1 || !c.liars().has(place.Registry, b.Digest) {
			b.places = append(b.places, spot{Reference: place, asked: -1})
		}
	}
	return b, nil
}

// Mirrored reports whether a mirror may give the bytes.
func (b *Blob) Mirrored() bool { return len(b.places) > 1 }

// Disproved says that the bytes were not those of the digest. It names the mirrors that some of
// them came from; those are left alone for an hour, as far as this blob goes.
func (b *Blob) Disproved() (mirrors []string) {
	for _, place := range b.places[:len(b.places)-1] {
		if place.gave {
			b.session.client.liars().note(place.Registry, b.Digest)
			mirrors = append(mirrors, place.Registry)
		}
	}
	return mirrors
}

// Close ends the connections that wait for the next request.
func (b *Blob) Close() { b.session.close() }

// Get asks for the bytes from one on, which may be more than was asked for: an answer of 200 is
// the whole blob. A mirror that does not give them is passed over. An answer of any status is the
// caller's to read, and to close.
func (b *Blob) Get(ctx context.Context, from int64) (*http.Response, error) {
	var mirrors []string
	for i := range b.places {
		place, last := &b.places[i], i == len(b.places)-1
		if !last && place.passOver(from) {
			continue
		}
		resp, err := b.get(ctx, place.Reference, from)
		switch {
		case err != nil && (last || ctx.Err() != nil):
			return nil, b.session.later.asked(explain(b.src, place.Registry, err, mirrors...))
		case err == nil && (last || b.fits(resp, from)):
			place.gave = true
			return resp, nil
		case err == nil:
			err = fmt.Errorf("it answered %s", resp.Status)
			resp.Body.Close()
		}
		place.spent = true
		mirrors = append(mirrors, mirrorSays(place.Registry, err))
	}
	panic("oras: no place for a blob") // places ends with the registry itself
}

// passOver reports whether a mirror has had its chance: it failed, or gave no byte when it was
// asked from there on before.
func (s *spot) passOver(from int64) bool {
	if s.asked == from {
		s.spent = true
	}
	s.asked = from
	return s.spent
}

// fits reports whether an answer is the blob, as far as its head tells.
func (b *Blob) fits(resp *http.Response, from int64) bool {
	switch {
	case resp.StatusCode == http.StatusPartialContent:
		return from > 0
	case resp.StatusCode != http.StatusOK:
		return false
	}
	return b.Size == 0 || resp.ContentLength < 0 || resp.ContentLength == b.Size
}

func (b *Blob) get(ctx context.Context, place registry.Reference, from int64) (*http.Response, error) {
	if from == 0 {
		return b.ask(ctx, place, "")
	}
	return b.ask(ctx, place, fmt.Sprintf("bytes=%d-", from))
}

func (b *Blob) ask(ctx context.Context, place registry.Reference, part string) (*http.Response, error) {
	ctx = auth.AppendRepositoryScope(ctx, place, auth.ActionPull)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.session.client.blobURL(place, b.Digest), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "identity")
	if part != "" {
		req.Header.Set("Range", part)
	}
	return b.session.data.Do(req)
}

func (c *Client) blobURL(ref registry.Reference, digest string) string {
	scheme := "https"
	if slices.Contains(c.PlainHTTP, ref.Registry) {
		scheme = "http"
	}
	return fmt.Sprintf("%s://%s/v2/%s/blobs/%s", scheme, ref.Host(), ref.Repository, digest)
}

// Explain says what an answer means that is not the blob.
func (b *Blob) Explain(resp *http.Response) error {
	io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be used again
	registry := b.places[len(b.places)-1].Registry
	if b.Manifest == "" && resp.StatusCode == http.StatusNotFound {
		return &Error{Ref: b.src, Refused: true, Err: refuse("the registry %s has no blob %s there; if the image was rebuilt, take it into the catalog again, or leave its digest out", registry, b.Digest)}
	}
	why := said(registry, resp.Request.URL, resp.StatusCode, "")
	_, stays := errors.AsType[*refusal](why)
	return &Error{Ref: b.src, Refused: stays, Err: why}
}

// Redirected reports whether an answer came from elsewhere than the registry and its mirrors: from
// a store whose signed URLs expire, and which a new request reaches with a new one.
func (b *Blob) Redirected(resp *http.Response) bool {
	return !slices.ContainsFunc(b.places, func(s spot) bool { return s.Host() == resp.Request.URL.Host })
}
