package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// UID and GID are whom the daemons run as and whom the folders belong to that they write.
const (
	UID = 1000
	GID = 1000
)

// File is a file of an image, a folder if its path ends with a slash, a symbolic link if Link is
// set. The folders above it need not be listed.
type File struct {
	Path    string // from the root, with a leading slash
	Mode    int64
	Own     bool // of UID and GID, else root's
	Link    string
	Content []byte
}

// Layer is a part of an image that changes as one, so that what has not changed is not sent again.
type Layer struct {
	What  string // one line, for the image's history
	Files []File
}

// packed is a layer as it lies in an archive.
type packed struct {
	what       string
	descriptor v1.Descriptor
	diffID     digest.Digest // of the tar in it
	unpacked   int64         // bytes in files
	blob       []byte
}

// pack writes the layer's files in one order, with one date and without anything of the machine
// that packs.
func (l Layer) pack(date time.Time) (packed, error) {
	plain, unpacked, err := l.tar(date)
	if err != nil {
		return packed{}, fmt.Errorf("layer %q: %w", l.What, err)
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return packed{}, err
	}
	if _, err := z.Write(plain); err != nil {
		return packed{}, err
	}
	if err := z.Close(); err != nil {
		return packed{}, err
	}
	return packed{l.What, describe(v1.MediaTypeImageLayerGzip, out.Bytes()), digest.FromBytes(plain), unpacked, out.Bytes()}, nil
}

func (l Layer) tar(date time.Time) (content []byte, unpacked int64, err error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range withFolders(l.Files) {
		if err := w.WriteHeader(f.header(date)); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", f.Path, err)
		}
		if _, err := w.Write(f.Content); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", f.Path, err)
		}
		unpacked += int64(len(f.Content))
	}
	if err := w.Close(); err != nil { // which pads the last file and ends the archive
		return nil, 0, err
	}
	return out.Bytes(), unpacked, nil
}

func (f File) header(date time.Time) *tar.Header {
	h := &tar.Header{
		Name: strings.TrimPrefix(f.Path, "/"), Mode: f.Mode, Size: int64(len(f.Content)), ModTime: date,
		Typeflag: tar.TypeReg, Format: tar.FormatUSTAR,
	}
	switch {
	case f.Link != "":
		h.Typeflag, h.Linkname = tar.TypeSymlink, f.Link
	case strings.HasSuffix(f.Path, "/"):
		h.Typeflag = tar.TypeDir
	}
	if f.Own {
		h.Uid, h.Gid = UID, GID
	}
	return h
}

// withFolders sorts files and puts the folders before them that nobody listed: root's, 0755.
func withFolders(files []File) []File {
	known := map[string]File{}
	for _, f := range files {
		known[f.Path] = f
	}
	for _, f := range files {
		for dir := path.Dir(strings.TrimSuffix(f.Path, "/")); dir != "/"; dir = path.Dir(dir) {
			if _, listed := known[dir+"/"]; !listed {
				known[dir+"/"] = File{Path: dir + "/", Mode: 0o755}
			}
		}
	}
	all := make([]File, 0, len(known))
	for _, f := range known {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return all
}
