// Package image makes container images of the daemons: static programs, certificates, boot programs
// and nothing else, written as OCI archives without a base image and without a container engine. The
// same inputs give the same bytes.
package image

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is one image for one architecture.
type Image struct {
	Name  string
	Arch  Arch
	Bill  []byte // of materials, as CycloneDX; it lies in the image as well
	Bytes Bytes

	manifest v1.Descriptor
	blobs    []blob
}

// Bytes is how large an image is.
type Bytes struct {
	Packed   int64 // as it is sent and stored in an archive
	Unpacked int64 // its files
}

type blob struct {
	digest  digest.Digest
	content []byte
}

// build packs layers, lowest first, with what the runtime has to know of them.
func build(name string, arch Arch, date time.Time, config v1.ImageConfig, layers []Layer) (*Image, error) {
	i := &Image{Name: name, Arch: arch}
	about := v1.Image{
		Created: &date, Platform: v1.Platform{Architecture: arch.Go(), OS: "linux"}, Config: config,
		RootFS: v1.RootFS{Type: "layers"},
	}
	manifest := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Annotations: config.Labels,
	}
	for _, l := range layers {
		p, err := l.pack(date)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", name, err)
		}
		i.keep(p.descriptor, p.blob)
		i.Bytes.Unpacked += p.unpacked
		about.RootFS.DiffIDs = append(about.RootFS.DiffIDs, p.diffID)
		about.History = append(about.History, v1.History{Created: &date, CreatedBy: p.what})
		manifest.Layers = append(manifest.Layers, p.descriptor)
	}
	var err error
	if manifest.Config, err = i.keepJSON(v1.MediaTypeImageConfig, about); err != nil {
		return nil, err
	}
	if i.manifest, err = i.keepJSON(v1.MediaTypeImageManifest, manifest); err != nil {
		return nil, err
	}
	i.manifest.Platform = &about.Platform
	return i, nil
}

func (i *Image) keepJSON(mediaType string, v any) (v1.Descriptor, error) {
	content, err := json.Marshal(v)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("image %s: %w", i.Name, err)
	}
	d := describe(mediaType, content)
	i.keep(d, content)
	return d, nil
}

func (i *Image) keep(d v1.Descriptor, content []byte) {
	i.blobs = append(i.blobs, blob{d.Digest, content})
	i.Bytes.Packed += d.Size
}

func describe(mediaType string, content []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
}
