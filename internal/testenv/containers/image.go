package containers

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"strings"
)

// Owner is the user and group of every image.
const Owner = 1000

// Image is one with a single static program, made on the spot.
type Image struct {
	Name    string            // "localhost/bty-web:latest"
	Program string            // on this machine; its place in the image is /usr/bin and its own name
	Files   map[string]string // others, by their path in the image, from this machine
	Folders []string          // that belong to Owner
	Volume  string            // one of them, "" for none
}

// Make makes an image and loads it.
func (h *Host) Make(ctx context.Context, i Image) error {
	layer, err := i.layer()
	if err != nil {
		return fmt.Errorf("making the image %s: %w", i.Name, err)
	}
	args := []string{"import", "--quiet", fmt.Sprintf("--change=USER %[1]d:%[1]d", Owner), fmt.Sprintf("--change=ENTRYPOINT [%q]", i.place())}
	if i.Volume != "" {
		args = append(args, "--change=VOLUME "+i.Volume)
	}
	_, err = h.feed(ctx, layer, "podman", append(args, "-", i.Name)...)
	return err
}

func (i Image) place() string { return path.Join("/usr/bin", path.Base(i.Program)) }

func (i Image) layer() (*bytes.Buffer, error) {
	out := new(bytes.Buffer)
	w := tar.NewWriter(out)
	for _, folder := range i.Folders {
		err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: strings.TrimPrefix(folder, "/") + "/", Mode: 0o750, Uid: Owner, Gid: Owner})
		if err != nil {
			return nil, err
		}
	}
	files := map[string]string{i.place(): i.Program}
	for to, from := range i.Files {
		files[to] = from
	}
	for to, from := range files {
		content, err := os.ReadFile(from)
		if err != nil {
			return nil, err
		}
		if err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(to, "/"), Mode: 0o755, Size: int64(len(content))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}
	return out, w.Close()
}
