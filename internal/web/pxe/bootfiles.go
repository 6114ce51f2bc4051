package pxe

import (
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"

	"bty/internal/fault"
	"bty/internal/ipxe"
	"bty/internal/machine"
	"bty/internal/nbp"
	"bty/internal/release"
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
	mac, noMAC := machine.ParseMAC(r.URL.Query().Get("mac"))
	if noMAC == nil {
		if err := c.Fleet.Launch(r.Context(), mac, c.Client(r), name); err != nil {
			return err
		}
	}
	header := w.Header()
	header.Set("Content-Type", contentType(name))
	header.Set("Content-Disposition", attachment(name))
	header.Set("ETag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
	r.Header.Del("If-None-Match") // firmware takes a 304 for a failure
	r.Header.Del("If-Modified-Since")
	http.ServeContent(w, r, name, info.ModTime(), file) // sendfile, as long as nothing wraps w
	if noMAC == nil && r.Method == http.MethodGet && r.Context().Err() == nil {
		c.Fleet.Fetched(mac, name)
	}
	return nil
}

// isChainLoop reports whether iPXE asks for the program that it is itself: a LAN whose DHCP
// server knows one bootfile would have it load itself for ever.
func (c Config) isChainLoop(r *http.Request, name string) bool {
	return strings.HasPrefix(r.UserAgent(), "iPXE/") && nbp.IsProgram(name)
}

func (c Config) open(name string) (*os.File, error) {
	file, err := c.Files.Open(name)
	switch {
	case err == nil || fault.KindOf(err) != fault.NotFound:
		return file, err
	case c.leadsOut(name):
		return nil, fault.New(fault.Invalid, "invalid name '%s': it resolves outside the allowed directory %s", name, c.Files.Boot)
	}
	return nil, noSuchFile(name)
}

// leadsOut reports whether a name in the boot folder is a link to somewhere else, which nobody gets.
func (c Config) leadsOut(name string) bool {
	link, err := c.Boot.Lstat(name)
	if err != nil || link.Mode()&fs.ModeSymlink == 0 {
		return false
	}
	_, err = c.Boot.Stat(name)
	return err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ELOOP)
}

func noSuchFile(name string) error { return fault.New(fault.NotFound, "no such file: %s", name) }

// attachment names the file in quotes, as clients have always seen it (RFC 6266, section 4.1).
func attachment(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		return mime.FormatMediaType("attachment", map[string]string{"filename": name})
	}
	return `attachment; filename="` + name + `"`
}

func bareName(r *http.Request) (string, error) {
	name := r.PathValue("name")
	switch {
	case strings.Contains(name, "/"):
		return "", fault.New(fault.NotFound, "Not Found")
	case name == "", name == ".", name == "..", strings.ContainsAny(name, "\\\x00"):
		return "", fault.New(fault.Invalid, "invalid name '%s': must be a bare filename without folders", name)
	case release.IsOwn(name):
		return "", noSuchFile(name)
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
