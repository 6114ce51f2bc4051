package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

const (
	flashSize  = 4 << 30
	flashFiles = 2300 << 20 // of the system's own, so that two fifths stay zeros
	flashESP   = 64 << 20
)

func newFlashLab(ctx context.Context, build string) (l *flashLab, done func(), err error) {
	l = &flashLab{ctx: ctx}
	if l.bty, err = filepath.Abs(filepath.Join(build, "bin", "bty")); err != nil {
		return nil, nil, err
	}
	if l.self, err = os.Executable(); err != nil {
		return nil, nil, err
	}
	parent := os.Getenv("BTY_BENCH_DIR")
	if parent == "" {
		parent = "/dev/shm"
	}
	if l.dir, err = os.MkdirTemp(parent, "bty-bench-"); err != nil {
		return nil, nil, err
	}
	l.raw, l.file = filepath.Join(l.dir, "disk.img"), filepath.Join(l.dir, "disk")
	stop := func() {}
	done = func() {
		stop()
		if l.disk != "" {
			_ = exec.Command("losetup", "-d", l.disk).Run() // what is left is seen with losetup -l
		}
		os.RemoveAll(l.dir)
	}
	if err = l.makeImage(); err == nil {
		err = l.attach()
	}
	if err == nil {
		err = freeMemory()
	}
	if err == nil {
		l.url, l.origin, stop, err = startOrigin(ctx, l.dir)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return l, done, nil
}

// freeMemory drops what the kernel keeps of files: disk and images are in memory, and some run would have to
// wait until it has made room for its pages.
func freeMemory() error {
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0)
}

func (l *flashLab) attach() error {
	if err := l.shell(fmt.Sprintf("truncate -s %d %q", int64(flashSize), l.file)); err != nil {
		return err
	}
	out, err := exec.CommandContext(l.ctx, "losetup", "--find", "--show", l.file).Output()
	l.disk = strings.TrimSpace(string(out))
	return err
}

// makeImage makes a disk with a GPT, an ESP and an ext4 that holds files of /usr, 60 % full.
func (l *flashLab) makeImage() error {
	tree := filepath.Join(l.dir, "tree")
	if err := copyFiles("/usr", tree, flashFiles); err != nil {
		return err
	}
	const root = 1<<20 + flashESP
	return l.shell(fmt.Sprintf(`set -e; raw=%q tree=%q
truncate -s %d "$raw"
printf 'label: gpt\nsize=%d, type=uefi\ntype=linux\n' | sfdisk -q "$raw"
mkfs.fat -F 32 --offset 2048 "$raw" %d >/dev/null
mke2fs -q -t ext4 -d "$tree" -E offset=%d "$raw" %dk
rm -rf "$tree"`, l.raw, tree, int64(flashSize), flashESP/512, flashESP/1024, root, (flashSize-root-1<<20)/1024))
}

// copyFiles copies regular files until there are n bytes of them.
func copyFiles(from, to string, n int64) error {
	err := filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || n <= 0 {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if int64(len(b)) > n {
			return nil
		}
		n -= int64(len(b))
		dest := filepath.Join(to, p)
		if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
			return err
		}
		return os.WriteFile(dest, b, 0o644)
	})
	if err == nil && n > 256<<20 {
		err = fmt.Errorf("%s has too few files for the image: %d MiB more are needed", from, n>>20)
	}
	return err
}

// makeFrames compresses in independent frames of 4 MiB.
func makeFrames(raw, out string) error {
	img, err := mapped(raw)
	if err != nil {
		return err
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer f.Close()
	var frame []byte
	for ; len(img) > 0; img = img[min(4<<20, len(img)):] {
		frame = enc.EncodeAll(img[:min(4<<20, len(img))], frame[:0])
		if _, err := f.Write(frame); err != nil {
			return err
		}
	}
	return f.Close()
}
