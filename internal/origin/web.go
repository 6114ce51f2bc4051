package origin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// source is who has the bytes of a stream.
type source interface {
	// get asks for the bytes from one on. An answer of any status is no error.
	get(ctx context.Context, from int64, valid validators) (*http.Response, error)
	// part asks for n bytes from one on, beside get and from several goroutines: on the condition that the
	// image still has a tag, unless that is "".
	part(ctx context.Context, from, n int64, tag string) (*http.Response, error)
	// refused says what an answer means that gives no bytes.
	refused(resp *http.Response, began bool) error
	close()
}

// web is a URL.
type web struct {
	url     string
	proven  bool
	careful bool
	header  http.Header
	client  http.Client
}

func newWeb(source string, opts Options) *web {
	w := &web{url: source, proven: opts.Proven, careful: opts.Careful, header: opts.Header, client: *opts.Client}
	also := w.client.CheckRedirect
	if also == nil {
		also = checkRedirect
	}
	w.client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if err := w.follow(req, via); err != nil {
			return err
		}
		return also(req, via)
	}
	return w
}

func (w *web) get(ctx context.Context, from int64, valid validators) (*http.Response, error) {
	return w.ask(ctx, http.MethodGet, from, valid)
}

func (w *web) ask(ctx context.Context, method string, from int64, valid validators) (*http.Response, error) {
	req, err := w.request(ctx, method)
	if err != nil {
		return nil, err
	}
	if from > 0 {
		w.askForRest(req.Header, from, valid.forIfRange())
	}
	return w.client.Do(req)
}

func (w *web) request(ctx context.Context, method string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, w.url, nil)
	if err != nil {
		return nil, &finalError{fmt.Errorf("%w: %w", ErrSource, err)}
	}
	for k, v := range w.header {
		req.Header[k] = v
	}
	req.Header.Set("Accept-Encoding", "identity")
	return req, nil
}

func (w *web) part(ctx context.Context, from, n int64, tag string) (*http.Response, error) {
	req, err := w.request(ctx, http.MethodGet)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, from+n-1))
	if tag != "" {
		req.Header.Set("If-Range", tag)
	}
	return w.client.Do(req)
}

// askForRest makes a request one for what is missing. Without a validator a range may be of another
// image: who is careful gets all of it once more, and what is there already is compared.
func (w *web) askForRest(h http.Header, from int64, validator string) {
	if validator == "" && w.careful {
		return
	}
	h.Set("Range", fmt.Sprintf("bytes=%d-", from))
	if validator != "" {
		h.Set("If-Range", validator) // RFC 9110 section 13.1.5
	}
}

// follow keeps what was meant for one server from every other: net/http compares names alone, so
// another port or plain http would get it, too. Nor may an image that no digest proves come
// without encryption, where its address begins with https.
func (w *web) follow(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if first.Scheme == "https" && req.URL.Scheme == "http" && !w.proven {
		return &finalError{fmt.Errorf("%w: it redirects from https to http (%s), where anybody could change it; declare its SHA-256", ErrRefused, Redact(req.URL.String()))}
	}
	away := !sameServer(first, req.URL)
	for _, hop := range via[1:] {
		away = away || !sameServer(first, hop.URL)
	}
	if away {
		for _, secret := range []string{"Authorization", "Cookie", "Proxy-Authorization"} {
			req.Header.Del(secret)
		}
	}
	return nil
}

func sameServer(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}

// refused: a final answer, unless it comes from elsewhere than the address: the signed URL of an
// object store expires, and the next request begins at the address again.
func (w *web) refused(resp *http.Response, began bool) error {
	err := fmt.Errorf("%w: it answered %s", ErrRefused, resp.Status)
	if began && resp.Request.URL.String() != w.url && denied(resp.StatusCode) {
		return err
	}
	if resp.StatusCode == http.StatusNotFound {
		err = &awayError{err}
	}
	return &finalError{err}
}

// denied reports whether a status says that who asks may not have it, or no longer.
func denied(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusGone
}

func (w *web) close() { w.client.CloseIdleConnections() }
