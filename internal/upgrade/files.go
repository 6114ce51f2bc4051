package upgrade

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"bty/internal/store"
)

// modeOf is the mode that a file has: the site may have closed it to others. otherwise is for one that is new.
func modeOf(path string, otherwise fs.FileMode) fs.FileMode {
	info, err := os.Stat(path)
	if err != nil {
		return otherwise
	}
	return info.Mode().Perm()
}

// copyFile makes a whole copy with owner, mode and times, under its name once it is on the disk.
func copyFile(ctx context.Context, from, to string) (sum string, err error) {
	folder, err := os.OpenRoot(filepath.Dir(to))
	if err != nil {
		return "", err
	}
	defer folder.Close()
	return copyInto(ctx, from, folder, filepath.Base(to))
}

// copyInto makes a copy in a folder that may be the daemon's: root follows no link that it put there.
func copyInto(ctx context.Context, from string, folder *os.Root, name string) (sum string, err error) {
	in, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return "", err
	}
	partial := name + ".part"
	if err := folder.Remove(partial); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	out, err := folder.OpenFile(partial, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	_, err = io.Copy(out, io.TeeReader(&reader{ctx, in}, hash))
	if err = errors.Join(err, like(out, info), out.Sync(), out.Close()); err == nil {
		err = folder.Rename(partial, name)
	}
	if err != nil {
		_ = folder.Remove(partial) // err is what matters
		return "", fmt.Errorf("copy %s to %s: %w", from, filepath.Join(folder.Name(), name), err)
	}
	return hex.EncodeToString(hash.Sum(nil)), store.SyncDir(folder.Name())
}

// like gives a file the owner, the mode and the time of another.
func like(out *os.File, info fs.FileInfo) error {
	err := out.Chmod(info.Mode().Perm())
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		err = errors.Join(err, out.Chown(int(owner.Uid), int(owner.Gid)))
	}
	return errors.Join(err, os.Chtimes(fmt.Sprintf("/proc/self/fd/%d", out.Fd()), info.ModTime(), info.ModTime())) // its name may be another's by now
}

// reader ends with its context.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}

// digestOf is that of a file, "" if it is not there.
func digestOf(path string) (string, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// sizeOf is a file's size on the disk, 0 if it is not there: a database has holes.
func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// freeAt is how much may be written below a folder that may not exist yet.
func freeAt(folder string) (free int64, device uint64, err error) {
	for {
		var s unix.Statfs_t
		err = unix.Statfs(folder, &s)
		if errors.Is(err, fs.ErrNotExist) && folder != "/" && folder != "." {
			folder = filepath.Dir(folder)
			continue
		}
		if err != nil {
			return 0, 0, fmt.Errorf("ask for the free space of %s: %w", folder, err)
		}
		var st unix.Stat_t
		err = unix.Stat(folder, &st)
		return int64(s.Bavail) * s.Bsize, st.Dev, err
	}
}
