package containers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/quadlet"
)

const registryHost = testenv.ServerIP + ":5000"

// registry is one of the LAN, which the host trusts without TLS.
func (h *host) registry() {
	h.t.Helper()
	dir := h.t.TempDir()
	config := filepath.Join(dir, "config.yml")
	text := "version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: " + dir + "}}\nhttp: {addr: \"" + registryHost + "\"}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	p, err := h.LAN.Start(testenv.Program{Path: "docker-registry", Args: []string{"serve", config}, Env: []string{"OTEL_TRACES_EXPORTER=none"}})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(p.Kill)
	h.write("/etc/containers/registries.conf.d/test.conf", "[[registry]]\nlocation = \""+registryHost+"\"\ninsecure = true\n", 0o644)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := h.Try(h.ctx, "curl", "--silent", "--fail", "http://"+registryHost+"/v2/"); err == nil {
			return
		}
		if time.Now().After(end) {
			h.t.Fatalf("the registry does not answer:\n%s", p.Log.Tail(20))
		}
	}
}

// Images of a registry: the first start fetches, an update is taken when its daemon becomes ready, and one
// whose daemon does not is taken back. Nobody who asks meanwhile is refused.
func TestAutoUpdate(t *testing.T) {
	t.Parallel()
	h := installed(t)
	h.registry()
	const image = registryHost + "/bty-web:stable"
	h.load("bty-web")
	h.run("podman", "tag", "localhost/bty-web:latest", image)
	h.run("podman", "push", "--quiet", image)
	h.run("podman", "rmi", "--all", "--force")
	h.lay(quadlet.Files, "dropins/registry.conf", Quadlets+"/bty-web.container.d")
	h.write(Quadlets+"/bty-web.container.d/10-image.conf", "[Container]\nImage="+image+"\n", 0o644)
	h.run("systemctl", "daemon-reload")
	h.run("systemctl", "start", "bty-web.socket")
	h.get("/healthz")
	good := h.run("podman", "inspect", "--format={{.Image}}", "bty-web")

	h.publishImage(image, "bty-tftp") // it cannot serve with bty-web's sockets
	said, err := h.Try(h.ctx, "podman", "auto-update", "--format={{.Unit}} {{.Updated}}")
	t.Logf("podman auto-update: %v\n%s", err, said)
	if !strings.Contains(said, "bty-web.service rolled back") {
		t.Errorf("an image that does not become ready was not taken back")
	}
	h.get("/healthz")
	if now := h.run("podman", "inspect", "--format={{.Image}}", "bty-web"); now != good {
		t.Errorf("%s runs after the image was taken back, not %s", now, good)
	}

	h.publishImage(image, "bty-web")
	if said := h.run("podman", "auto-update", "--format={{.Unit}} {{.Updated}}"); !strings.Contains(said, "bty-web.service true") {
		t.Errorf("a good image was not taken: %s", said)
	}
	h.get("/healthz")
	if now := h.run("podman", "inspect", "--format={{.Image}}", "bty-web"); now == good {
		t.Error("the old image still runs")
	}
}

// publishImage pushes an image with one of our programs, and keeps nothing of it here.
func (h *host) publishImage(name, program string) {
	h.t.Helper()
	const here = "localhost/next:latest"
	err := h.Make(h.ctx, Image{Name: here, Program: filepath.Join(buildFolder(h.t), "bin", program),
		Folders: []string{"/var", "/var/lib", "/var/lib/bty", "/var/lib/bty/boot"}})
	if err != nil {
		h.t.Fatal(err)
	}
	h.run("podman", "push", "--quiet", here, name)
	h.run("podman", "rmi", "--force", here)
}
