package oras

import (
	"errors"
	"fmt"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// notImages are the media types of what accompanies an image and never is one: charts,
// signatures, attestations, bills of materials, the empty blob.
var notImages = []string{
	"application/vnd.cncf.helm.", "application/vnd.dev.cosign.", "application/vnd.dev.sigstore.", "application/vnd.in-toto",
	"application/vnd.dsse.", "application/spdx", "text/spdx", "application/vnd.cyclonedx", "application/vnd.oci.empty.",
}

// sidecars are the ends of the titles of what lies beside an image.
var sidecars = []string{".sha256", ".sha512", ".sig", ".asc", ".pem", ".cert", ".sbom", ".att", ".json"}

// choose returns the largest layer that may be an image and is no sidecar; if all have the titles
// of sidecars, the largest of them.
func choose(layers []ocispec.Descriptor) (ocispec.Descriptor, error) {
	var images, plain []ocispec.Descriptor
	for _, layer := range layers {
		if hasAffix(strings.HasPrefix, layer.MediaType, notImages) {
			continue
		}
		images = append(images, layer)
		if !hasAffix(strings.HasSuffix, title(layer), sidecars) {
			plain = append(plain, layer)
		}
	}
	if len(plain) > 0 {
		images = plain
	}
	if len(images) == 0 {
		return ocispec.Descriptor{}, noImage(layers)
	}
	return largest(images), nil
}

func largest(layers []ocispec.Descriptor) ocispec.Descriptor {
	best := layers[0]
	for _, layer := range layers[1:] {
		if layer.Size > best.Size {
			best = layer
		}
	}
	return best
}

func hasAffix(has func(s, affix string) bool, s string, affixes []string) bool {
	lower := strings.ToLower(s)
	for _, affix := range affixes {
		if has(lower, affix) {
			return true
		}
	}
	return false
}

func title(layer ocispec.Descriptor) string { return layer.Annotations[ocispec.AnnotationTitle] }

// maxNamed is how many layers or manifests a message names.
const maxNamed = 5

func noImage(layers []ocispec.Descriptor) error {
	if len(layers) == 0 {
		return errors.New("it has no layer, so no image; check that the reference is that of a disk image")
	}
	var types []string
	for _, layer := range layers[:min(len(layers), maxNamed)] {
		types = append(types, fmt.Sprintf("%.100q", layer.MediaType))
	}
	return fmt.Errorf("none of its %d layers is a disk image: they are %s; check that the reference is that of a disk image", len(layers), strings.Join(types, ", "))
}

func isIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == "application/vnd.docker.distribution.manifest.list.v2+json"
}

// errIndex names the manifests to choose from: which platform is meant is not ours to guess.
func errIndex(manifests []ocispec.Descriptor) error {
	var choices []string
	for _, m := range manifests[:min(len(manifests), maxNamed)] {
		platform := "unknown platform"
		if m.Platform != nil {
			platform = m.Platform.OS + "/" + m.Platform.Architecture
		}
		choices = append(choices, fmt.Sprintf("%.100s (%.60s)", m.Digest, platform))
	}
	return fmt.Errorf("it is an image index, which lists images for several platforms; name one of them by digest: %s", strings.Join(choices, ", "))
}
