package containers

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"bty/internal/testenv"
	"bty/internal/testenv/systemd"
)

// An image made on the spot runs as a Quadlet: systemd listens, the first request from the LAN starts
// the container, and it answers though it has no network.
func TestSocketActivatedContainer(t *testing.T) {
	h := boot(t)
	if failed := h.run("systemctl", "--failed", "--plain", "--no-legend"); failed != "" {
		t.Errorf("units failed at boot:\n%s", failed)
	}
	t.Log(h.run("podman", "version", "--format={{.Client.Version}}"), h.run("podman", "info", "--format={{.Store.GraphDriverName}} {{.Host.OCIRuntime.Name}} {{.Host.NetworkBackend}}"))
	h.makeWeb()
	h.write("/etc/systemd/system/web.socket", "[Socket]\nListenStream=8080\nFileDescriptorName=http\n", 0o644)
	h.write(Quadlets+"/web.container", "[Unit]\nRequires=web.socket\nAfter=web.socket\n[Container]\nImage=localhost/web:latest\nNetwork=none\nReadOnly=true\nNotify=true\n"+
		"Environment=BTY_PATHS_RUN_DIR=/var/lib/bty\n", 0o644)
	h.run("systemctl", "daemon-reload")
	h.run("systemctl", "start", "web.socket")
	if state := h.property("web.service", "ActiveState"); state != "inactive" {
		t.Fatalf("nobody has asked yet, and the container is %s", state)
	}
	answer, err := h.client().Get(url("/healthz"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != 200 {
		t.Errorf("%s, %v: %s", answer.Status, err, body)
	}
	if state := h.property("web.service", "ActiveState"); state != "active" {
		t.Errorf("it has answered, and the container is %s", state)
	}
	if said := h.run("podman", "exec", "systemd-web", "/usr/bin/bty-web", "--version"); !strings.HasPrefix(said, "bty-web ") {
		t.Errorf("its program says %q", said)
	}
}

// A container with a network of its own reaches the LAN through the host.
func TestContainerHasANetwork(t *testing.T) {
	h := boot(t)
	h.makeWeb()
	h.run("podman", "run", "--detach", "--name=web", "--env=BTY_PATHS_RUN_DIR=/var/lib/bty", "localhost/web:latest")
	listener, err := h.LAN.Listen(h.ctx, testenv.ServerIP+":80")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RemoteAddr) }))
	pid := h.run("podman", "inspect", "--format={{.State.Pid}}", "web")
	from := h.run("nsenter", "--target="+pid, "--net", "curl", "--silent", "--show-error", "--max-time", "10", "http://"+testenv.ServerIP)
	if !strings.HasPrefix(from, systemd.IP+":") {
		t.Errorf("the LAN was asked from %s, not by way of the host", from)
	}
}

func (h *host) makeWeb() {
	h.t.Helper()
	err := h.Make(h.ctx, Image{Name: "localhost/web:latest", Program: filepath.Join(buildFolder(h.t), "bin", "bty-web"),
		Folders: []string{"/var", "/var/lib", "/var/lib/bty"}, Volume: "/var/lib/bty"})
	if err != nil {
		h.t.Fatal(err)
	}
}
