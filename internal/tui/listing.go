package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bty/internal/catalog"
	"bty/internal/origin"
)

// Bounds of a catalog, and of a folder.
const (
	maxCatalog = 4 << 20
	maxFiles   = 10_000
	maxSum     = 64 << 10
	fetchFor   = 30 * time.Second
)

// List returns the images of a source.
func List(ctx context.Context, s Source, o origin.Options) ([]Image, error) {
	if s.Folder || isFolder(s.At) {
		return listFolder(s.At)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, fetchFor, fmt.Errorf("no whole answer within %v", fetchFor))
	defer cancel()
	raw, err := fetch(ctx, s.At, o)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("the catalog %s cannot be had: %w", origin.Redact(s.At), err)
	}
	listed, err := catalog.DecodeTOML(raw)
	if err != nil {
		return nil, fmt.Errorf("%s is no catalog of images: %w", origin.Redact(s.At), err)
	}
	images := make([]Image, len(listed))
	for i, l := range listed {
		images[i] = fromCatalog(l)
	}
	return images, nil
}

func isFolder(at string) bool {
	info, err := os.Stat(at)
	return err == nil && info.IsDir()
}

// fetch reads a catalog with few attempts: a person waits.
func fetch(ctx context.Context, at string, o origin.Options) ([]byte, error) {
	o.Attempts, o.Stall = 2, 10*time.Second
	r, err := origin.Open(ctx, at, o)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, maxCatalog+1))
	if err == nil && len(raw) > maxCatalog {
		err = fmt.Errorf("it is longer than %d MiB", maxCatalog>>20)
	}
	return raw, err
}

func fromCatalog(l catalog.Listed) Image {
	i := Image{Name: l.Name, Ref: l.Known, At: l.URL(), Format: l.Format, Arch: l.Arch, Size: l.Size, Digest: l.Digest, Description: l.Description, Grow: l.Grow, Verify: l.Verify}
	if l.Err != nil {
		i.Problem = l.Err.Error()
	}
	return i
}

// endings are those of the files that are images. The content has the last word about the format.
var endings = []struct {
	ending string
	format catalog.Format
}{
	{".img", catalog.Raw}, {".raw", catalog.Raw}, {".gz", catalog.Gzip}, {".zst", catalog.Zstd},
	{".xz", catalog.XZ}, {".bz2", catalog.Bzip2}, {".qcow2", catalog.QCOW2},
}

func formatOfFile(name string) (catalog.Format, bool) {
	for _, e := range endings {
		if strings.HasSuffix(strings.ToLower(name), e.ending) {
			return e.format, true
		}
	}
	return catalog.FormatUnknown, false
}

// listFolder lists the image files of a folder, not those of folders in it, by name.
func listFolder(path string) ([]Image, error) {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no folder %s: make it and put images into it, or set BTY_IMAGE_ROOT", path)
	}
	if err != nil {
		return nil, fmt.Errorf("list the images of %s: %w", path, err)
	}
	var images []Image
	for _, e := range entries {
		format, ok := formatOfFile(e.Name())
		if !ok || len(images) == maxFiles {
			continue
		}
		// Through symbolic links: an image may be on another disk.
		info, err := os.Stat(filepath.Join(path, e.Name()))
		if err == nil && info.Mode().IsRegular() {
			images = append(images, fromFile(path, e.Name(), format, info.Size()))
		}
	}
	return images, nil
}

func fromFile(folder, name string, format catalog.Format, size int64) Image {
	i := Image{Name: name, At: filepath.Join(folder, name), Format: format, Arch: catalog.ArchOf(name), Size: size}
	if size == 0 {
		i.Problem = "the file is empty"
	}
	if digest, err := sidecar(i.At); err != nil {
		i.Problem = err.Error()
	} else {
		i.Digest = digest
	}
	return i
}

// sidecar is the digest in a .sha256 file beside an image: a sha256sum line, or the digest alone.
func sidecar(path string) (catalog.Digest, error) {
	f, err := os.Open(path + ".sha256")
	if errors.Is(err, fs.ErrNotExist) {
		return catalog.Digest{}, nil
	}
	if err != nil {
		return catalog.Digest{}, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxSum))
	if err != nil {
		return catalog.Digest{}, fmt.Errorf("read its .sha256: %w", err)
	}
	if digest, err := catalog.ParseDigest(string(raw)); err == nil {
		return digest, nil
	}
	digest, err := catalog.FindDigest(raw, filepath.Base(path))
	if err != nil {
		return catalog.Digest{}, fmt.Errorf("its .sha256: %w", err)
	}
	return digest, nil
}
