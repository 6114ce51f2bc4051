package containers

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"os/exec"
	"path"
	"strings"
	"testing"
	"time"

	operators "bty/internal/testenv/appliance"
	"bty/internal/testenv/systemd"
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

// appliance is a host with everything, switched on as an administrator would: sockets, no more.
func appliance(t testing.TB) *host {
	t.Helper()
	h := installed(t)
	h.load(daemons...)
	h.run("systemctl", "enable", "--now", "bty-web.socket", "bty-tftp.socket", "bty-cache.socket")
	return h
}

// process is a container's first process.
func (h *host) process(container string) int {
	h.t.Helper()
	pid, err := h.Process(h.ctx, container)
	if err != nil {
		h.t.Fatal(err)
	}
	return pid
}

// awaitUnit waits until a property of a unit has the value.
func (h *host) awaitUnit(limit time.Duration, unit, name, want string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.ctx, limit)
	defer cancel()
	if err := h.Await(ctx, unit, name, want); err != nil {
		h.t.Fatal(err)
	}
}

// get asks bty-web from the LAN; any answer but 200 ends the test.
func (h *host) get(path string) string {
	h.t.Helper()
	answer, err := h.client().Get(url(path))
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		h.t.Fatalf("GET %s: %s, %v: %.500s", path, answer.Status, err, body)
	}
	return string(body)
}

// overTFTP fetches a file from the LAN as curl does.
func (h *host) overTFTP(name string) []byte {
	h.t.Helper()
	out, err := exec.CommandContext(h.ctx, "ip", "netns", "exec", h.LAN.Name, "curl", "--silent", "--show-error", "--max-time", "30",
		"tftp://"+systemd.IP+"/"+name).Output()
	if err != nil {
		h.t.Fatalf("%s by TFTP: %v", name, err)
	}
	return out
}

// operator signs in with the password of the secret.
func (h *host) operator() *operators.Client {
	h.t.Helper()
	c, err := operators.SignIn(h.ctx, h.LAN, url(""), password)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}
