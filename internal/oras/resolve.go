package oras

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// Resolve finds the image behind a reference.
func (c *Client) Resolve(ctx context.Context, src string) (Image, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	repo, done, err := c.open(src)
	if err != nil {
		return Image{}, err
	}
	defer done()
	image, _, err := resolve(ctx, repo)
	if err != nil {
		return Image{}, explain(src, err)
	}
	return image, nil
}

// Fetch returns the blob behind a reference, which must have at most limit bytes and the digest
// that the registry named. It is for catalogs; images are left to those who write them.
func (c *Client) Fetch(ctx context.Context, src string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	repo, done, err := c.open(src)
	if err != nil {
		return nil, err
	}
	defer done()
	_, layer, err := resolve(ctx, repo)
	if err != nil {
		return nil, explain(src, err)
	}
	if layer.Size > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than the %d that are read", src, layer.Size, limit)
	}
	blob, err := content.FetchAll(ctx, repo.Blobs(), layer)
	if err != nil {
		return nil, explain(src, err)
	}
	return blob, nil
}

func (c *Client) open(src string) (*remote.Repository, func(), error) {
	ref, err := parse(src)
	if err != nil {
		return nil, nil, err
	}
	repo, done := c.repository(ref)
	return repo, done, nil
}

func resolve(ctx context.Context, repo *remote.Repository) (Image, ocispec.Descriptor, error) {
	ref := repo.Reference
	described, raw, err := fetchManifest(ctx, repo, ref.Reference)
	pinned, notDigest := ref.Digest()
	if notDigest == nil && isNoManifest(err) {
		// Existing catalogs pin the blob itself, where others pin a manifest.
		layer, err := repo.Blobs().Resolve(ctx, pinned.String())
		return image(repo, ocispec.Descriptor{}, layer), layer, err
	}
	if err != nil {
		return Image{}, ocispec.Descriptor{}, err
	}
	layer, err := pick(described.MediaType, raw)
	return image(repo, described, layer), layer, err
}

// isNoManifest reports whether a registry may mean that a digest is not one of a manifest. Debian's
// answers 500 when it is asked for a blob as a manifest.
func isNoManifest(err error) bool {
	answer, ok := errors.AsType[*errcode.ErrorResponse](err)
	return errors.Is(err, errdef.ErrNotFound) || ok && (answer.StatusCode == http.StatusInternalServerError || answer.StatusCode == http.StatusBadRequest)
}

func fetchManifest(ctx context.Context, repo *remote.Repository, reference string) (ocispec.Descriptor, []byte, error) {
	described, body, err := repo.Manifests().FetchReference(ctx, reference)
	if err != nil {
		return described, nil, err
	}
	defer body.Close()
	if described.Size > maxMetadata {
		return described, nil, fmt.Errorf("its manifest has %d bytes, more than the %d that are read", described.Size, maxMetadata)
	}
	raw, err := content.ReadAll(io.LimitReader(body, maxMetadata), described)
	return described, raw, err
}

func image(repo *remote.Repository, manifest, layer ocispec.Descriptor) Image {
	scheme := "https"
	if repo.PlainHTTP {
		scheme = "http"
	}
	return Image{
		Manifest: manifest.Digest.String(), Digest: layer.Digest.String(), Size: layer.Size, Title: title(layer), MediaType: layer.MediaType,
		URL: fmt.Sprintf("%s://%s/v2/%s/blobs/%s", scheme, repo.Reference.Host(), repo.Reference.Repository, layer.Digest),
	}
}

// manifest is an image manifest or an index: what an index lists stands in Manifests.
type manifest struct {
	MediaType string               `json:"mediaType"`
	Layers    []ocispec.Descriptor `json:"layers"`
	Manifests []ocispec.Descriptor `json:"manifests"`
}

// pick chooses the layer of a manifest that is the image.
func pick(mediaType string, raw []byte) (ocispec.Descriptor, error) {
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("its manifest is not JSON as OCI has it: %w", err)
	}
	if len(m.Manifests) > 0 || isIndex(mediaType) || isIndex(m.MediaType) {
		return ocispec.Descriptor{}, errIndex(m.Manifests)
	}
	layer, err := choose(m.Layers)
	if err != nil {
		return layer, err
	}
	if layer.Digest.Validate() != nil || layer.Digest.Algorithm() != digest.SHA256 {
		return layer, fmt.Errorf("its image has the digest %.100q; want sha256", layer.Digest)
	}
	if layer.Size < 1 {
		return layer, fmt.Errorf("its image has %d bytes", layer.Size)
	}
	return layer, nil
}

// explain says what a registry's answer means for whoever gave the reference.
func explain(src string, err error) error {
	var answer *errcode.ErrorResponse
	var credentials *credentialsError
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		return fmt.Errorf("%s is not in the registry", src)
	case errors.As(err, &credentials):
		return fmt.Errorf("%s: %w", src, credentials)
	case errors.Is(err, auth.ErrBasicCredentialNotFound), errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden):
		return fmt.Errorf("%s: the registry lets only those in who sign in; put its credentials into the file that [oras] credentials_file names", src)
	}
	return fmt.Errorf("%s: %w", src, err)
}
