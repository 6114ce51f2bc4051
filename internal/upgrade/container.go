package upgrade

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"bty/internal/deploy"
)

// container is one of the daemons.
type container struct {
	name string // of the container, its image and its service
	dir  string // of its Quadlet
	now  string // reference of the image that its Quadlet names
	next string
	from string // archive of next, "" if there is none
}

func (c container) unit() string { return c.name + ".service" }

func (c container) file() string { return filepath.Join(c.dir, c.name+".container") }

const imageDropInName = "10-image.conf"

// imageDropIn is the file that says which release a container runs.
func (c container) imageDropIn() string {
	return filepath.Join(c.dir, c.name+".container.d", imageDropInName)
}

func imageLines(reference string) string {
	return "# Made by bty-lab. The release that this container runs.\n[Container]\nImage=" + reference + "\n"
}

// withImage names another image in a drop-in, whatever else stands there.
func withImage(text, reference string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "Image=") {
			line = "Image=" + reference + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// machineName is this host's architecture as archives of images spell it.
func machineName() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}

// imageOf is what a container's Quadlet and its drop-ins name in the end.
func imageOf(c container) (reference string, err error) {
	files, err := filepath.Glob(filepath.Join(c.dir, c.name+".container.d", "*.conf"))
	if err != nil {
		return "", err
	}
	for _, path := range append([]string{c.file()}, files...) {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), "Image="); ok {
				reference = value
			}
		}
	}
	return reference, nil
}

// bring has Podman know the new image.
func bring(ctx context.Context, one container) error {
	if one.from != "" {
		_, err := tool(ctx, "podman", "load", "--quiet", "--input", one.from)
		return err
	}
	if prefix, _, _ := splitReference(one.next); !deploy.IsRegistry(prefix) {
		return nil
	}
	if there, err := isLoaded(ctx, one.next); there || err != nil {
		return err
	}
	_, err := tool(ctx, "podman", "pull", "--quiet", one.next)
	return err
}

// isLoaded reports whether Podman has an image.
func isLoaded(ctx context.Context, reference string) (bool, error) {
	_, err := tool(ctx, "podman", "image", "exists", reference)
	if _, missing := errors.AsType[*toolError](err); missing {
		return false, nil
	}
	return err == nil, err
}
