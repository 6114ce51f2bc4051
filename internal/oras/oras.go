// Package oras finds the disk image behind an OCI reference: which blob of which registry it is,
// its digest and its size, and gives the blob's bytes. Tokens, credentials, redirects and mirrors
// are its business; to take up a transfer that broke is the caller's.
package oras

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"oras.land/oras-go/v2/registry"
)

// Scheme is how a reference begins.
const Scheme = "oras://"

const (
	maxMetadata = 10 << 20 // bytes of a manifest, a token, an error
	callTime    = 30 * time.Second
	mirrorTime  = 15 * time.Second // for all calls to one mirror
	resolveTime = 60 * time.Second // for all calls of one reference
	maxRetry    = 2                // after the first try
	maxWait     = 5 * time.Second  // before another one
)

// Client asks registries. Its zero value asks anonymously and over https alone.
type Client struct {
	// CredentialsFile is a file in the format of docker's config.json, "" for none. It is read
	// whenever a registry asks who is there, so that a changed password counts at once.
	CredentialsFile string
	// PlainHTTP lists registries, as host:port, that are asked over http.
	PlainHTTP []string
	// Mirrors are asked before the registries that they mirror.
	Mirrors Mirrors
	// HTTP makes the connections, over HTTP/1.1; default: one with the system's CAs.
	HTTP *http.Client
	// Agent is the User-Agent.
	Agent string

	once  sync.Once
	known *liars
}

// Over is the client with connections of these, unless it has its own. What it learns of mirrors
// it shares.
func (c *Client) Over(connections *http.Client) *Client {
	if c.HTTP != nil {
		return c
	}
	return &Client{CredentialsFile: c.CredentialsFile, PlainHTTP: c.PlainHTTP, Mirrors: c.Mirrors, HTTP: connections, Agent: c.Agent, known: c.liars()}
}

func (c *Client) liars() *liars {
	c.once.Do(func() {
		if c.known == nil {
			c.known = new(liars)
		}
	})
	return c.known
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
	if strings.Contains(host, "@") {
		// It is not repeated: it may hold a password.
		return registry.Reference{}, fmt.Errorf("an %s source has no user and password in it; write them into the file of credentials", Scheme)
	}
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
