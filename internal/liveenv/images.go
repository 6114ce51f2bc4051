package liveenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"bty/internal/disk/contents"

	"golang.org/x/sys/unix"
)

// ImagesLabel is the name of the partition with images on a stick that the machine started from.
const ImagesLabel = "BTY_IMAGES"

// imagesDir is where it is mounted.
const imagesDir = "/var/lib/bty/images"

// imagesBound is how long a stick may take to appear after the drivers are in: USB hubs are slow.
const imagesBound = 10 * time.Second

// imagesFormats are the file systems that a stick may have, with the modules that read their names.
var imagesFormats = map[string]struct {
	kind, data string
	modules    []string
}{
	"exFAT":    {"exfat", "iocharset=utf8", []string{"exfat", "nls_utf8"}},
	"FAT":      {"vfat", "utf8=1", []string{"nls_cp437", "nls_ascii", "nls_iso8859-1", "nls_utf8", "vfat"}},
	"ext2/3/4": {"ext4", "noload", []string{"ext4"}},
}

// mountImages mounts the stick's partition with images, read-only, and waits a little for it.
// Without one it does nothing: whoever has no stick has no images here.
func (l *live) mountImages(ctx context.Context) error {
	l.plug.Settle(ctx)
	deadline := time.Now().Add(imagesBound)
	for {
		device, is := findImages()
		if device != "" {
			return l.mountAt(device, is)
		}
		if time.Now().After(deadline) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// findImages is the partition with that label. Of several the first by name counts.
func findImages() (device string, is contents.Is) {
	entries, err := os.ReadDir("/sys/class/block")
	if err != nil {
		return "", is
	}
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join("/sys/class/block", e.Name(), "partition")); err != nil {
			continue
		}
		path := filepath.Join("/dev", e.Name())
		if is, err := contents.Read(path); err == nil && is.Label == ImagesLabel {
			return path, is
		}
	}
	return "", is
}

func (l *live) mountAt(device string, is contents.Is) error {
	format, ok := imagesFormats[is.Format]
	if !ok {
		return fmt.Errorf("%s is called %s, but a file system %s cannot be read here; format it with exFAT", device, ImagesLabel, is.Format)
	}
	if err := os.MkdirAll(imagesDir, 0o755); err != nil {
		return err
	}
	flags := uintptr(unix.MS_RDONLY | hardened)
	var failed error
	for _, data := range slices.Compact([]string{format.data, ""}) {
		for _, m := range format.modules {
			if l.loader.Has(m) {
				failed = errors.Join(failed, l.loader.Load(m, ""))
			}
		}
		err := unix.Mount(device, imagesDir, format.kind, flags, data)
		if err == nil {
			l.log.Info(fmt.Sprintf("images of %s (%s) are in %s", device, ImagesLabel, imagesDir))
			return nil
		}
		failed = errors.Join(failed, fmt.Errorf("mount %s (%s): %w", device, is.Format, err))
	}
	return fmt.Errorf("the images of the stick: %w", failed)
}
