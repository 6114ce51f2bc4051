package containers

import (
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"bty/quadlet"
	"bty/units"
)

// daemons are those that are containers.
var daemons = []string{"bty-web", "bty-tftp", "bty-cache", "bty-sniff"}

// installed boots a host that has what README.md of the quadlet folder tells an administrator to
// install: units, Quadlets, users, folders and the password. Nothing is started.
func installed(t testing.TB) *host {
	t.Helper()
	h := boot(t)
	for place, pattern := range map[string]string{
		"/usr/lib/systemd/system": "bty*.s[ol][ci]*", "/usr/lib/sysusers.d": "sysusers.d/*", "/usr/lib/tmpfiles.d": "tmpfiles.d/*",
	} {
		h.lay(units.Files, pattern, place)
	}
	h.lay(quadlet.Files, "*.container", Quadlets)
	h.lay(quadlet.Files, "*.volume", Quadlets)
	h.run("systemd-sysusers")
	h.run("systemd-tmpfiles", "--create", "bty.conf")
	if _, err := h.feed(h.ctx, strings.NewReader(password), "podman", "secret", "create", "bty-admin-password", "-"); err != nil {
		t.Fatal(err)
	}
	h.run("systemctl", "daemon-reload")
	return h
}

// password is the administrator's.
const password = "correct horse battery staple"

// lay writes files of the repository into a folder.
func (h *host) lay(files fs.FS, pattern, place string) {
	h.t.Helper()
	names, err := fs.Glob(files, pattern)
	if err != nil || len(names) == 0 {
		h.t.Fatalf("%s: nothing there (%v)", pattern, err)
	}
	for _, name := range names {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			h.t.Fatal(err)
		}
		h.write(path.Join(place, path.Base(name)), string(content), 0o644)
	}
}

// images makes the images of all daemons.
func (h *host) images() {
	h.t.Helper()
	bin := filepath.Join(buildFolder(h.t), "bin")
	for _, daemon := range daemons {
		i := Image{Name: "localhost/" + daemon + ":latest", Program: filepath.Join(bin, daemon),
			Folders: []string{"/var", "/var/lib", "/var/lib/bty", "/var/lib/bty/boot", "/var/cache", "/var/cache/bty"}}
		if err := h.Make(h.ctx, i); err != nil {
			h.t.Fatal(err)
		}
	}
}
