package pyclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// blob is what a reference leads to.
type blob struct {
	url, token, digest, title string
	size                      int64 // -1 when unknown
}

// Either a tag, or the digest of the blob itself.
var reference = regexp.MustCompile(`^oras://([^/]+)/([a-z0-9/_.-]+/[a-z0-9/_.-]+)(?::([A-Za-z0-9._-]+)|@(sha256:[0-9a-f]{64}))$`)

// resolve asks the registry, over https alone and as nobody in particular.
func (c *Client) resolve(ctx context.Context, src string) (blob, error) {
	m := reference.FindStringSubmatch(src)
	if m == nil {
		return blob{}, fmt.Errorf("malformed oras reference %s", src)
	}
	host, repository, tag, digest := m[1], m[2], m[3], m[4]
	token, err := c.token(ctx, host, repository)
	if err != nil {
		return blob{}, err
	}
	b := blob{token: token, digest: digest, size: -1}
	if digest == "" {
		if b, err = c.layer(ctx, host, repository, tag, token); err != nil {
			return blob{}, err
		}
	}
	b.url = fmt.Sprintf("https://%s/v2/%s/blobs/%s", host, repository, b.digest)
	return b, nil
}

var challenge = regexp.MustCompile(`(realm|service)="([^"]*)"`)

// token is had where ghcr has it, else where the registry's challenge leads.
func (c *Client) token(ctx context.Context, host, repository string) (string, error) {
	scope := "repository:" + repository + ":pull"
	token, err := c.tokenAt(ctx, "https://"+host+"/token", host, scope)
	if err == nil {
		return token, nil
	}
	_, err = c.try(ctx, "https://"+host+"/v2/")
	refused, ok := errors.AsType[*statusError](err)
	if !ok || refused.code != http.StatusUnauthorized {
		return "", fmt.Errorf("no token from %s: %w", host, err)
	}
	found := map[string]string{}
	for _, pair := range challenge.FindAllStringSubmatch(refused.header.Get("WWW-Authenticate"), -1) {
		found[pair[1]] = pair[2]
	}
	return c.tokenAt(ctx, found["realm"], found["service"], scope)
}

func (c *Client) tokenAt(ctx context.Context, realm, service, scope string) (string, error) {
	raw, err := c.try(ctx, realm+"?"+url.Values{"service": {service}, "scope": {scope}}.Encode())
	var answer struct {
		Token  string `json:"token"`
		Access string `json:"access_token"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &answer)
	}
	if answer.Token == "" {
		answer.Token = answer.Access
	}
	if err == nil && answer.Token == "" {
		err = errors.New("no token in the answer")
	}
	return answer.Token, err
}

// notImages and sidecars as the client knows them.
var (
	notImages = []string{"application/vnd.cncf.helm.", "application/vnd.dev.cosign.", "application/vnd.dev.sigstore.", "application/vnd.in-toto",
		"application/vnd.dsse.", "application/spdx", "text/spdx", "application/vnd.cyclonedx", "application/vnd.oci.empty."}
	sidecars = []string{".sha256", ".sha512", ".sig", ".asc", ".pem", ".cert", ".sbom", ".att", ".json"}
)

type layer struct {
	Type        string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations"`
}

func (l layer) title() string { return l.Annotations["org.opencontainers.image.title"] }

func (c *Client) layer(ctx context.Context, host, repository, tag, token string) (blob, error) {
	raw, err := c.try(ctx, fmt.Sprintf("https://%s/v2/%s/manifests/%s", host, repository, tag), "Authorization", "Bearer "+token,
		"Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json")
	var m struct {
		Layers    []layer `json:"layers"`
		Manifests []any   `json:"manifests"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &m)
	}
	if err != nil {
		return blob{}, err
	}
	if m.Layers == nil && m.Manifests != nil {
		return blob{}, errors.New("an image index; reference a platform digest")
	}
	best, ok := largest(m.Layers)
	if !ok || !strings.HasPrefix(best.Digest, "sha256:") {
		return blob{}, errors.New("no layer is an image")
	}
	return blob{token: token, digest: best.Digest, size: best.Size, title: best.title()}, nil
}

func largest(layers []layer) (layer, bool) {
	images := slices.DeleteFunc(slices.Clone(layers), func(l layer) bool {
		return slices.ContainsFunc(notImages, func(p string) bool { return strings.HasPrefix(l.Type, p) })
	})
	plain := slices.DeleteFunc(slices.Clone(images), func(l layer) bool {
		return slices.ContainsFunc(sidecars, func(s string) bool { return strings.HasSuffix(l.title(), s) })
	})
	if len(plain) > 0 {
		images = plain
	}
	if len(images) == 0 {
		return layer{}, false
	}
	return slices.MaxFunc(images, func(a, b layer) int { return int(a.Size - b.Size) }), true
}

// try asks a registry up to three times.
func (c *Client) try(ctx context.Context, url string, header ...string) (raw []byte, err error) {
	for _, pause := range []time.Duration{0, 500 * time.Millisecond, time.Second} {
		time.Sleep(pause)
		raw, err = c.urlopen(ctx, http.MethodGet, url, nil, 30*time.Second, 10<<20, header...)
		refused, answered := errors.AsType[*statusError](err)
		if err == nil || answered && !slices.Contains([]int{429, 500, 502, 503, 504}, refused.code) {
			return raw, err
		}
	}
	return raw, err
}
