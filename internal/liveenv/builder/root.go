package builder

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/cavaliergopher/cpio"
	"github.com/klauspost/compress/zstd"
)

// root is the content of the initramfs, in memory: it has to fit a machine's anyway.
type root struct {
	modTime time.Time
	entries map[string]entry
}

type entry struct {
	mode cpio.FileMode
	data []byte // of a file; the target of a link
}

func newRoot(modTime time.Time) *root {
	r := &root{modTime: modTime, entries: map[string]entry{}}
	// What init mounts on, and what programs expect to exist.
	for _, dir := range []string{"dev", "proc", "sys", "run", "tmp", "etc", "root"} {
		r.dir(dir)
	}
	return r
}

func (r *root) dir(name string) {
	for ; name != "." && name != "/"; name = path.Dir(name) {
		r.entries[name] = entry{mode: cpio.TypeDir | 0o755}
	}
}

func (r *root) file(name string, perm cpio.FileMode, data []byte) {
	r.dir(path.Dir(name))
	r.entries[name] = entry{mode: cpio.TypeReg | perm, data: data}
}

func (r *root) link(name, target string) {
	r.dir(path.Dir(name))
	r.entries[name] = entry{mode: cpio.TypeSymlink | 0o777, data: []byte(target)}
}

// write makes a cpio archive (newc) in one zstd frame. Names are sorted, so a folder comes
// before what is in it, and the same content gives the same bytes.
func (r *root) write(ctx context.Context, w io.Writer) error {
	// Most of it is compressed already and passes through as it is. One thread: the blocks
	// must not depend on how many processors the builder has.
	enc, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	defer enc.Close()
	buffered := bufio.NewWriterSize(enc, 1<<20)
	archive := cpio.NewWriter(buffered)
	for _, name := range slices.Sorted(maps.Keys(r.entries)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.add(archive, name); err != nil {
			return fmt.Errorf("add %s: %w", name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	return enc.Close()
}

func (r *root) add(archive *cpio.Writer, name string) error {
	e := r.entries[name]
	h := &cpio.Header{Name: name, Mode: e.mode, Size: int64(len(e.data)), ModTime: r.modTime, Links: 1}
	if err := archive.WriteHeader(h); err != nil {
		return err
	}
	_, err := archive.Write(e.data)
	return err
}
