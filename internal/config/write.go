package config

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// fileMode is for a file that may hold a secret: its owner writes, its group reads.
const fileMode = 0o640

// replaceFile gives a file new content, all of it or none. A file that cannot be replaced because
// it is mounted, or because its folder cannot be written, is written in place.
func replaceFile(path string, content []byte) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the link stays one
	}
	err := renameOver(path, content)
	if mustStayInPlace(err) {
		if inPlace := writeInPlace(path, content); !errors.Is(inPlace, os.ErrNotExist) {
			return inPlace
		}
	}
	return err
}

// mustStayInPlace tells the faults of the folder (a mount point, no permission, a read-only file
// system around a mounted file) from those that would spoil the file as well.
func mustStayInPlace(err error) bool {
	for _, fault := range []error{syscall.EBUSY, syscall.EXDEV, syscall.EACCES, syscall.EPERM, syscall.EROFS} {
		if errors.Is(err, fault) {
			return true
		}
	}
	return false
}

func renameOver(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // err is what matters
		}
	}()
	keepOwner(f, path)
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(fileMode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// keepOwner gives the new file to whom the old one belongs, as far as this process may.
func keepOwner(f *os.File, path string) {
	info, err := os.Stat(path)
	if err != nil {
		return
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		_ = f.Chown(int(st.Uid), int(st.Gid)) // only root may; others write their own files
	}
}

func writeInPlace(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Truncate(int64(len(content)))
	}
	_ = f.Chmod(fileMode) // of a mounted file of others it may be refused; it holds what it held
	return errors.Join(err, f.Sync(), f.Close())
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
