package image

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// billType is what the bill of materials is, for a registry.
const billType = "application/vnd.cyclonedx+json"

// archive is an OCI layout that is being put together.
type archive struct {
	blobs map[digest.Digest][]byte
	index []v1.Descriptor
}

func (a *archive) add(blobs []blob) {
	for _, b := range blobs {
		a.blobs[b.digest] = b.content
	}
}

func (a *archive) addJSON(mediaType string, v any) (v1.Descriptor, error) {
	content, err := json.Marshal(v)
	if err != nil {
		return v1.Descriptor{}, err
	}
	d := describe(mediaType, content)
	a.blobs[d.Digest] = content
	return d, nil
}

// name has the layout list d under a reference, by which engines know the image once it is loaded.
func (a *archive) name(d v1.Descriptor, ref string) {
	d.Annotations = map[string]string{v1.AnnotationRefName: ref}
	a.index = append(a.index, d)
}

// Archive writes the image as one OCI archive. It lists nothing else: `podman load` takes an archive
// of one image only.
func (i *Image) Archive(path, ref string, date time.Time) error {
	a := archive{blobs: map[digest.Digest][]byte{}}
	a.add(i.blobs)
	a.name(i.manifest, ref)
	return a.write(path, date)
}

// Index writes images of one name for several architectures as one OCI archive, for who pushes them
// to a registry; each has its bill of materials attached.
func Index(path, ref string, date time.Time, images []*Image) error {
	a := archive{blobs: map[digest.Digest][]byte{}}
	var manifests, bills []v1.Descriptor
	for _, i := range images {
		a.add(i.blobs)
		manifests = append(manifests, i.manifest)
		bill, err := a.attach(i.manifest, i.Bill, date)
		if err != nil {
			return err
		}
		bills = append(bills, bill)
	}
	index, err := a.addJSON(v1.MediaTypeImageIndex, v1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: manifests,
	})
	if err != nil {
		return err
	}
	a.name(index, ref)
	a.index = append(a.index, bills...)
	return a.write(path, date)
}

// attach adds a bill of materials as an artifact that refers to an image.
func (a *archive) attach(subject v1.Descriptor, bill []byte, date time.Time) (v1.Descriptor, error) {
	content := describe(billType, bill)
	a.blobs[content.Digest] = bill
	a.blobs[v1.DescriptorEmptyJSON.Digest] = v1.DescriptorEmptyJSON.Data
	empty := v1.DescriptorEmptyJSON
	empty.Data = nil
	subject.Platform = nil
	d, err := a.addJSON(v1.MediaTypeImageManifest, v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, ArtifactType: billType,
		Config: empty, Layers: []v1.Descriptor{content}, Subject: &subject,
		Annotations: map[string]string{v1.AnnotationCreated: date.Format(time.RFC3339)},
	})
	d.ArtifactType = billType
	return d, err
}

// write makes the file, all of it or none.
func (a *archive) write(path string, date time.Time) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(f.Name())))
		}
	}()
	if err := errors.Join(a.tar(f, date), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func (a *archive) tar(to io.Writer, date time.Time) error {
	layout, err := json.Marshal(v1.ImageLayout{Version: v1.ImageLayoutVersion})
	if err != nil {
		return err
	}
	index, err := json.Marshal(v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: a.index})
	if err != nil {
		return err
	}
	files := map[string][]byte{v1.ImageLayoutFile: layout, v1.ImageIndexFile: index, "blobs/": nil, "blobs/sha256/": nil}
	for d, content := range a.blobs {
		files[v1.ImageBlobsDir+"/sha256/"+d.Encoded()] = content
	}
	w := tar.NewWriter(to)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), ModTime: date, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if strings.HasSuffix(name, "/") {
			h.Mode, h.Typeflag = 0o755, tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(files[name]); err != nil {
			return err
		}
	}
	return w.Close()
}
