package systemd

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

var sockets = []string{"bty-web.socket", "bty-control.socket", "bty-report.socket", "bty-tftp.socket"}

// open looks whether sockets listen or are being served.
func (h *host) open(sockets []string) {
	h.t.Helper()
	for _, s := range sockets {
		if state, result := h.property(s, "ActiveState"), h.property(s, "Result"); state != "active" || result != "success" {
			h.t.Errorf("%s is %s: %s", s, state, result)
		}
	}
}

// healthy asks for the health on one of the host's ports.
func (h *host) healthy(port int) error {
	client := h.client(false)
	client.Timeout = time.Minute
	answer, err := client.Get(fmt.Sprintf("http://%s:%d/healthz", IP, port))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s, %w", answer.Status, err)
	}
	return nil
}

// A socket unit may have several addresses; all are served.
func TestTwoPorts(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.dropIn("bty-web.socket", "[Socket]\nListenStream=8081")
		h.dropIn("bty-tftp.socket", "[Socket]\nListenDatagram=6969")
		h.enable()
		for _, port := range []int{8080, 8081} {
			if err := h.healthy(port); err != nil {
				t.Errorf("port %d: %v", port, err)
			}
		}
		h.write("/var/lib/bty/boot/vmlinuz", "kernel", 0o644)
		for _, port := range []int{69, 6969} {
			if got, _ := h.fetchFrom(port, "vmlinuz"); string(got) != "kernel" {
				t.Errorf("TFTP on port %d serves %q", port, got)
			}
		}
	})
}

// Boot files and backups in a folder of the operator's, as docs/systemd.md says.
func TestOtherFolders(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.run("install", "-d", "-o", "bty", "-g", "bty", "-m", "750", "/srv/bty")
		h.write("/etc/bty/bty.toml", "[paths]\nboot_dir = '/srv/bty/boot'\nbackup_dir = '/srv/bty/backups'\n", 0o644)
		h.dropIn("bty-web.service", "[Service]\nReadWritePaths=/srv/bty")
		h.start()
		h.run("bty-lab", "backup")
		if made := strings.Fields(h.run("ls", "/srv/bty/backups")); len(made) != 1 {
			t.Errorf("backups: %v", made)
		}
		h.write("/srv/bty/boot/vmlinuz", "kernel", 0o644)
		if got, _ := h.fetch("vmlinuz"); string(got) != "kernel" {
			t.Errorf("TFTP serves %q", got)
		}
		if got := h.run("curl", "--fail", "--silent", "http://localhost:8080/boot/vmlinuz"); got != "kernel" {
			t.Errorf("HTTP serves %q", got)
		}
	})
}
