// Package oras finds the disk image behind an OCI reference: which blob of which registry it is,
// its digest and its size. It asks a registry for manifests and never for an image's bytes.
package oras

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// Scheme is how a reference begins.
const Scheme = "oras://"

const (
	maxMetadata = 10 << 20 // bytes of a manifest, a token, an error
	callTime    = 30 * time.Second
	resolveTime = 60 * time.Second // for all calls of one reference
	maxRetry    = 2                // after the first try
)

// Client asks registries. Its zero value asks anonymously and over https alone.
type Client struct {
	// CredentialsFile is a file in the format of docker's config.json, "" for none. It is read
	// whenever a registry asks who is there, so that a changed password counts at once.
	CredentialsFile string
	// PlainHTTP lists registries, as host:port, that are asked over http.
	PlainHTTP []string
	// Agent is the User-Agent.
	Agent string
}

// Image is what a reference leads to.
type Image struct {
	Manifest  string // digest of the manifest, "" if the reference named the blob itself
	Digest    string // of the blob: "sha256:" and 64 hex digits
	Size      int64  // of the blob, in bytes
	Title     string // file name that its maker gave it, "" if none
	MediaType string
	URL       string // of the blob
}

// Hosts splits a list of registries by commas and white space.
func Hosts(list string) []string {
	return strings.FieldsFunc(strings.ToLower(list), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
}

// parse takes a reference apart. A tag or a digest must be there; both is one too many, because
// the tag would go unheeded.
func parse(src string) (registry.Reference, error) {
	rest, ok := cutPrefixFold(src, Scheme)
	if !ok {
		return registry.Reference{}, fmt.Errorf("%q is no OCI reference; want %shost/owner/repo:tag", src, Scheme)
	}
	host, path, _ := strings.Cut(rest, "/")
	if at := strings.IndexByte(path, '@'); at >= 0 && strings.Contains(path[:at], ":") {
		return registry.Reference{}, fmt.Errorf("%q has a tag and a digest; leave one of them out", src)
	}
	ref, err := registry.ParseReference(strings.ToLower(host) + "/" + path)
	switch {
	case err != nil:
		return ref, fmt.Errorf("%q is malformed; want %shost[:port]/owner/repo:tag or @sha256:<64 hex>", src, Scheme)
	case ref.Reference == "":
		return ref, fmt.Errorf("%q has no tag or digest; want %shost/owner/repo:tag", src, Scheme)
	}
	return ref, nil
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// repository is the remote side of a reference, with its own connections; done ends them.
func (c *Client) repository(ref registry.Reference) (repo *remote.Repository, done func()) {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, TLSHandshakeTimeout: 10 * time.Second,
		ResponseHeaderTimeout: callTime, MaxResponseHeaderBytes: 1 << 20, ForceAttemptHTTP2: true,
	}
	client := &auth.Client{
		Client: &http.Client{Timeout: callTime, Transport: &retry.Transport{Base: transport, Policy: func() retry.Policy { return patience }}},
		Cache:  auth.NewCache(), Credential: c.credential, ClientID: "bty",
	}
	if c.Agent != "" {
		client.SetUserAgent(c.Agent)
	}
	repo = &remote.Repository{Client: client, Reference: ref, PlainHTTP: slices.Contains(c.PlainHTTP, ref.Registry), MaxMetadataBytes: maxMetadata}
	return repo, transport.CloseIdleConnections
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

// patience retries what may pass by itself: the registry is busy or failing, or the connection is.
var patience = &retry.GenericPolicy{
	Retryable: worthRetry, Backoff: retry.ExponentialBackoff(500*time.Millisecond, 2, 0.1),
	MinWait: 200 * time.Millisecond, MaxWait: 5 * time.Second, MaxRetry: maxRetry,
}

func worthRetry(resp *http.Response, err error) (bool, error) {
	if err != nil {
		return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded), nil
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true, nil
	}
	return false, nil
}
