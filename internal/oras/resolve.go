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
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// Resolve finds the image behind a reference.
func (c *Client) Resolve(ctx context.Context, src string) (Image, error) {
	var found Image
	err := c.each(ctx, src, func(ctx context.Context, repo *remote.Repository) (err error) {
		found, _, err = c.resolve(ctx, repo)
		return err
	})
	return found, err
}

// Fetch returns the blob behind a reference, which must have at most limit bytes and the digest
// that the registry named. It is for catalogs; images are left to those who write them.
func (c *Client) Fetch(ctx context.Context, src string, limit int64) ([]byte, error) {
	var blob []byte
	err := c.each(ctx, src, func(ctx context.Context, repo *remote.Repository) error {
		_, layer, err := c.resolve(ctx, repo)
		if err != nil {
			return err
		}
		if layer.Size > limit {
			return fmt.Errorf("it has %d bytes, more than the %d that are read", layer.Size, limit)
		}
		blob, err = content.FetchAll(ctx, repo.Blobs(), layer)
		return err
	})
	return blob, err
}

// each does what is to be done at the first place where it succeeds.
func (c *Client) each(ctx context.Context, src string, do func(context.Context, *remote.Repository) error) error {
	ref, err := parse(src)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	s := c.session()
	defer s.close()
	places := c.places(ref)
	var mirrors []string
	for _, place := range places[:len(places)-1] {
		if err := s.at(ctx, place, do); err == nil {
			return nil
		} else if ctx.Err() == nil {
			mirrors = append(mirrors, mirrorSays(place.Registry, err))
		}
	}
	if err := do(ctx, s.repository(ref)); err != nil {
		return s.later.asked(explain(src, ref.Registry, err, mirrors...))
	}
	return nil
}

// at bounds what one mirror may take of the time.
func (s *session) at(ctx context.Context, place registry.Reference, do func(context.Context, *remote.Repository) error) error {
	ctx, cancel := context.WithTimeout(ctx, mirrorTime)
	defer cancel()
	return do(ctx, s.repository(place))
}

func (c *Client) resolve(ctx context.Context, repo *remote.Repository) (Image, ocispec.Descriptor, error) {
	ref := repo.Reference
	described, raw, err := fetchManifest(ctx, repo, ref.Reference)
	pinned, notDigest := ref.Digest()
	if notDigest == nil && isNoManifest(err) {
		// Existing catalogs pin the blob itself, where others pin a manifest.
		layer, err := repo.Blobs().Resolve(ctx, pinned.String())
		return c.image(repo, ocispec.Descriptor{}, layer), layer, err
	}
	if err != nil {
		return Image{}, ocispec.Descriptor{}, err
	}
	layer, err := pick(described.MediaType, raw)
	return c.image(repo, described, layer), layer, err
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

func (c *Client) image(repo *remote.Repository, manifest, layer ocispec.Descriptor) Image {
	return Image{
		Manifest: manifest.Digest.String(), Digest: layer.Digest.String(), Size: layer.Size, Title: title(layer), MediaType: layer.MediaType,
		URL: c.blobURL(repo.Reference, layer.Digest.String()),
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
		return ocispec.Descriptor{}, fmt.Errorf("its manifest is not JSON as OCI has it (%w); check that this host is an OCI registry", err)
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
