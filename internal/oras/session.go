package oras

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// session is the connections and the tokens for one reference.
type session struct {
	client *Client
	meta   *auth.Client // for manifests: bounded in time, tries again by itself
	data   *auth.Client // for blobs: neither
	later  *later       // under both
	close  func()
}

func (c *Client) session() *session {
	base := c.HTTP
	if base == nil {
		base = &http.Client{Transport: newTransport()}
	}
	under := &later{RoundTripper: base.Transport}
	if base.Transport == nil {
		under.RoundTripper = http.DefaultTransport
	}
	meta, data := *base, *base
	meta.Timeout, meta.CheckRedirect = callTime, noDowngrade(base.CheckRedirect)
	meta.Transport = &retry.Transport{Base: under, Policy: func() retry.Policy { return patience }}
	data.Transport = under
	tokens := auth.NewCache()
	return &session{client: c, meta: c.authenticated(&meta, tokens), data: c.authenticated(&data, tokens), later: under, close: base.CloseIdleConnections}
}

// newTransport speaks HTTP/1.1 alone: what serves ghcr's blobs resets long HTTP/2 streams.
func newTransport() *http.Transport {
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, TLSHandshakeTimeout: 10 * time.Second,
		ResponseHeaderTimeout: callTime, MaxResponseHeaderBytes: 1 << 20, DisableCompression: true, Protocols: new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	return t
}

func (c *Client) authenticated(over *http.Client, tokens auth.Cache) *auth.Client {
	client := &auth.Client{Client: over, Cache: tokens, Credential: c.credential, ClientID: "bty"}
	if c.Agent != "" {
		client.SetUserAgent(c.Agent)
	}
	return client
}

// noDowngrade refuses to go from https to http for what no digest proves: a tag's manifest, a token.
func noDowngrade(also func(*http.Request, []*http.Request) error) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
			return refuse("%s redirects to %s without encryption; tell whoever runs it", via[0].URL.Host, req.URL.Host)
		}
		if also != nil {
			return also(req, via)
		}
		if len(via) >= 10 {
			return refuse("%s redirects in circles; tell whoever runs it", via[0].URL.Host)
		}
		return nil
	}
}

// repository is the remote side of a reference.
func (s *session) repository(ref registry.Reference) *remote.Repository {
	return &remote.Repository{Client: s.meta, Reference: ref, PlainHTTP: slices.Contains(s.client.PlainHTTP, ref.Registry), MaxMetadataBytes: maxMetadata}
}

// credential is what the file knows for a registry. Why a file cannot be used is told without a
// word of its content.
func (c *Client) credential(ctx context.Context, host string) (auth.Credential, error) {
	if c.CredentialsFile == "" {
		return auth.EmptyCredential, nil
	}
	if _, err := os.Stat(c.CredentialsFile); err != nil { // which FileStore would take for an empty one
		return auth.EmptyCredential, &credentialsError{c.CredentialsFile}
	}
	file, err := credentials.NewFileStore(c.CredentialsFile)
	if err != nil {
		return auth.EmptyCredential, &credentialsError{c.CredentialsFile}
	}
	found, err := credentials.Credential(file)(ctx, host)
	if err != nil {
		return auth.EmptyCredential, &credentialsError{c.CredentialsFile}
	}
	return found, nil
}

type credentialsError struct{ path string }

func (e *credentialsError) Error() string {
	return fmt.Sprintf("the credentials file %s cannot be read, or is not in the format of docker's config.json", e.path)
}

// patience retries what may pass by itself: the registry is busy or failing, or the connection is. One that
// wants to be left alone for longer than maxWait is not asked again from here.
var patience = &retry.GenericPolicy{
	Retryable: worthRetry, Backoff: retry.ExponentialBackoff(500*time.Millisecond, 2, 0.1),
	MinWait: 200 * time.Millisecond, MaxWait: maxWait, MaxRetry: maxRetry,
}

func worthRetry(resp *http.Response, err error) (bool, error) {
	if err != nil {
		return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded), nil
	}
	return mayPass(resp.StatusCode) && RetryAfter(resp.Header) <= maxWait, nil
}

// mayPass reports whether an answer may be another one a little later.
func mayPass(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
