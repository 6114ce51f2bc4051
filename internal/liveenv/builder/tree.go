package builder

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bty/internal/liveenv/kmod"

	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
)

// tree is a folder lib/modules/<version>.
type tree struct {
	dir     string
	files   map[string]string // module -> path below dir/kernel
	builtin map[string]bool   // what the kernel has in itself, as far as modules.builtin says
}

func openTree(dir string) (tree, error) {
	found, err := findTree(dir)
	if err != nil {
		return tree{}, err
	}
	t := tree{dir: found, files: map[string]string{}, builtin: map[string]bool{}}
	top := filepath.Join(found, "kernel")
	err = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name, ok := moduleName(path); ok && !d.IsDir() {
			rel, _ := filepath.Rel(top, path)
			t.files[name] = rel
		}
		return nil
	})
	if err != nil {
		return tree{}, fmt.Errorf("read the modules: %w", err)
	}
	if len(t.files) == 0 {
		return tree{}, fmt.Errorf("no kernel module (*.ko, .ko.xz, .ko.zst, .ko.gz) in %s", top)
	}
	list, err := os.ReadFile(filepath.Join(found, "modules.builtin"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return tree{}, err
	}
	t.builtin = parseBuiltin(list)
	return t, nil
}

// findTree accepts the folder of one version, or a root, an extracted package or lib/modules
// that holds exactly one.
func findTree(dir string) (string, error) {
	var found []string
	for _, pattern := range []string{"kernel", "*/kernel", "lib/modules/*/kernel", "usr/lib/modules/*/kernel"} {
		matches, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, m := range matches {
			if info, err := os.Stat(m); err == nil && info.IsDir() && !contains(found, m) {
				found = append(found, m)
			}
		}
	}
	switch len(found) {
	case 1:
		return filepath.Dir(found[0]), nil
	case 0:
		return "", fmt.Errorf("%s: no folder of kernel modules (lib/modules/<version> with its folder kernel)", dir)
	}
	return "", fmt.Errorf("%s: modules of %d kernels (%s); name one of them", dir, len(found), strings.Join(found, ", "))
}

// contains compares by what the paths lead to: /lib is often a link to /usr/lib.
func contains(paths []string, path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	for _, p := range paths {
		if other, err := os.Stat(p); err == nil && os.SameFile(info, other) {
			return true
		}
	}
	return false
}

// moduleName is the module that a file name stands for.
func moduleName(path string) (string, bool) {
	name, rest, ok := strings.Cut(filepath.Base(path), ".ko")
	if !ok || name == "" || (rest != "" && rest != ".xz" && rest != ".zst" && rest != ".gz") {
		return "", false
	}
	return kmod.Normalise(name), true
}

// parseBuiltin reads modules.builtin: a path per line.
func parseBuiltin(list []byte) map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(string(list)) {
		if name, ok := moduleName(strings.TrimSpace(line)); ok {
			out[name] = true
		}
	}
	return out
}

// image returns a module's ELF image.
func (t tree) image(name string) ([]byte, error) {
	path := filepath.Join(t.dir, "kernel", t.files[name])
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	image, err := unpackByName(path, data)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", path, err)
	}
	return image, nil
}

// maxUnpacked bounds one module or firmware file.
const maxUnpacked = 256 << 20

func unpackByName(path string, data []byte) ([]byte, error) {
	switch filepath.Ext(path) {
	case ".xz":
		r, err := xz.NewReader(bytes.NewReader(data), 0)
		if err != nil {
			return nil, err
		}
		return readBounded(r)
	case ".gz":
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		return readBounded(r)
	case ".zst":
		r, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return readBounded(r)
	}
	return data, nil
}

func readBounded(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxUnpacked+1))
	if err == nil && len(data) > maxUnpacked {
		err = fmt.Errorf("more than %d MiB unpacked", maxUnpacked>>20)
	}
	return data, err
}
