package pxe

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"bty/internal/fault"
	"bty/internal/web/serve"
)

// stallTime is how long an upload may bring no byte before it is given up.
const stallTime = time.Minute

const partialPrefix, partialSuffix = ".upload-", ".partial"

// isPartial reports whether a name is one of an upload that is not whole.
func isPartial(name string) bool {
	return strings.HasPrefix(name, partialPrefix) && strings.HasSuffix(name, partialSuffix)
}

// Sweep removes what uploads left in the boot folder when the process was killed. Nothing may be
// uploading.
func Sweep(boot *os.Root) error {
	dir, err := boot.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	for _, name := range names {
		if isPartial(name) {
			err = errors.Join(err, boot.Remove(name))
		}
	}
	return err
}

type stored struct {
	Name string `json:"name"`
	Size int64  `json:"size_bytes"`
	Path string `json:"path"`
}

// putBoot stores a boot file. It appears under its name when it is whole and on the disk, and
// takes the place of what was there in one step.
func (c Config) putBoot(w http.ResponseWriter, r *http.Request) error {
	name, err := bareName(r)
	if err != nil {
		return err
	}
	if r.ContentLength > c.MaxUpload {
		return c.tooLarge(0)
	}
	partial := partialPrefix + rand.Text() + partialSuffix // its own: two uploads of one name must not mix
	size, err := c.receive(uploaded(w, r, c.MaxUpload), partial)
	if err == nil {
		err = c.replace(partial, name)
	}
	if err != nil {
		_ = c.Boot.Remove(partial) // it may not have been made
		return c.uploadFault(err, name, size)
	}
	serve.JSON(w, http.StatusOK, stored{name, size, filepath.Join(c.Files.Boot, name)})
	return nil
}

// upload is a request's body that may not stall.
type upload struct {
	io.Reader
	conn *http.ResponseController
}

func uploaded(w http.ResponseWriter, r *http.Request, limit int64) io.Reader {
	return upload{http.MaxBytesReader(w, r.Body, limit), http.NewResponseController(w)}
}

func (u upload) Read(p []byte) (int, error) {
	_ = u.conn.SetReadDeadline(time.Now().Add(stallTime)) // a server that has none reads without
	n, err := u.Reader.Read(p)
	if err != nil {
		_ = u.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}

func (c Config) receive(from io.Reader, partial string) (int64, error) {
	file, err := c.Boot.OpenFile(partial, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	size, err := io.Copy(file, from)
	return size, errors.Join(err, file.Sync(), file.Close())
}

// replace gives the partial file its name, on the disk too.
func (c Config) replace(partial, name string) error {
	if info, err := c.Boot.Lstat(name); err == nil && info.IsDir() {
		return fault.New(fault.Conflict, "%s is a folder in the boot folder; it was left as it is", name)
	}
	if err := c.Boot.Rename(partial, name); err != nil {
		return err
	}
	dir, err := c.Boot.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func (c Config) tooLarge(size int64) error {
	return fault.New(fault.TooLarge, "upload exceeded %d bytes (BTY_TUNING_MAX_UPLOAD_BYTES). Aborted at %d bytes.", c.MaxUpload, size)
}

func (c Config) uploadFault(err error, name string, size int64) error {
	if _, known := errors.AsType[*fault.Error](err); known {
		return err
	}
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case tooLarge:
		return c.tooLarge(size)
	case errors.Is(err, syscall.ENAMETOOLONG):
		return fault.Wrap(fault.Invalid, err, "invalid name '%.20s...': it is too long for a file name", name)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Wrap(fault.Full, err, "the disk of the boot folder is full; %s was not stored. Free space in %s and repeat the upload", name, c.Files.Boot)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.Wrap(fault.Invalid, err, "the upload of %s ended early after %d bytes; nothing was stored", name, size)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault.Wrap(fault.Invalid, err, "the upload of %s brought nothing for %s after %d bytes; nothing was stored", name, stallTime, size)
	}
	return fmt.Errorf("store boot file %s: %w", name, err)
}
