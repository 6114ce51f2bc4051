package pxe

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"bty/internal/fault"
	"bty/internal/ipxe"
	"bty/internal/machine"
	"bty/internal/nbp"
	"bty/internal/web/serve"
)

// getBoot serves a boot file, whole or in ranges. ?mac= says which machine starts the live
// environment with it.
func (c Config) getBoot(w http.ResponseWriter, r *http.Request) error {
	name, err := bareName(r)
	if err != nil {
		return err
	}
	if name == nbp.AutoexecName || c.isChainLoop(r, name) {
		return writeScript(w, ipxe.Autoexec(serve.Host(r), machine.ViaHTTP))
	}
	file, err := c.open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return noSuchFile(name)
	}
	if mac, err := machine.ParseMAC(r.URL.Query().Get("mac")); err == nil {
		if err := c.Fleet.Launch(r.Context(), mac, c.Client(r), name); err != nil {
			return err
		}
	}
	header := w.Header()
	header.Set("Content-Type", contentType(name))
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	header.Set("ETag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
	r.Header.Del("If-None-Match") // firmware takes a 304 for a failure
	r.Header.Del("If-Modified-Since")
	http.ServeContent(w, r, name, info.ModTime(), file) // sendfile, as long as nothing wraps w
	return nil
}

// isChainLoop reports whether iPXE asks for the program that it is itself: a LAN whose DHCP
// server knows one bootfile would have it load itself for ever.
func (c Config) isChainLoop(r *http.Request, name string) bool {
	return strings.HasPrefix(r.UserAgent(), "iPXE/") && nbp.IsProgram(name)
}

func (c Config) open(name string) (*os.File, error) {
	file, err := c.Files.Open(name)
	if fault.KindOf(err) == fault.NotFound {
		return nil, noSuchFile(name)
	}
	return file, err
}

func noSuchFile(name string) error { return fault.New(fault.NotFound, "no such file: %s", name) }

func bareName(r *http.Request) (string, error) {
	name := r.PathValue("name")
	switch {
	case strings.Contains(name, "/"):
		return "", fault.New(fault.NotFound, "Not Found")
	case name == "", name == ".", name == "..", strings.ContainsAny(name, "\\\x00"):
		return "", fault.New(fault.Invalid, "invalid name '%s': must be a bare filename without folders", name)
	}
	return name, nil
}

// contentType never says text for a program: some firmware looks.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".efi":
		return "application/efi"
	case ".ipxe", ".txt", ".sha256":
		return "text/plain; charset=utf-8"
	default:
		return "application/octet-stream"
	}
}

type stored struct {
	Name string `json:"name"`
	Size int64  `json:"size_bytes"`
	Path string `json:"path"`
}

// putBoot stores a boot file. It appears under its name when it is whole and on the disk.
func (c Config) putBoot(w http.ResponseWriter, r *http.Request) error {
	name, err := bareName(r)
	if err != nil {
		return err
	}
	partial := name + ".partial"
	size, err := c.receive(http.MaxBytesReader(w, r.Body, c.MaxUpload), partial)
	if err == nil {
		err = c.Boot.Rename(partial, name)
	}
	if err != nil {
		_ = c.Boot.Remove(partial) // it may not have been made
		return c.uploadFault(err, name, size)
	}
	serve.JSON(w, http.StatusOK, stored{name, size, filepath.Join(c.Files.Boot, name)})
	return nil
}

func (c Config) receive(from io.Reader, partial string) (int64, error) {
	file, err := c.Boot.OpenFile(partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	size, err := io.Copy(file, from)
	return size, errors.Join(err, file.Sync(), file.Close())
}

func (c Config) uploadFault(err error, name string, size int64) error {
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case tooLarge:
		return fault.New(fault.TooLarge, "upload exceeded %d bytes (BTY_TUNING_MAX_UPLOAD_BYTES). Aborted at %d bytes.", c.MaxUpload, size)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Wrap(fault.Full, err, "the disk of the boot folder is full; %s was not stored. Free space in %s and repeat the upload", name, c.Files.Boot)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.Wrap(fault.Invalid, err, "the upload of %s ended early after %d bytes; nothing was stored", name, size)
	}
	return fmt.Errorf("store boot file %s: %w", name, err)
}
