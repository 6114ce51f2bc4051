package systemd

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var sockets = []string{"bty-web.socket", "bty-control.socket", "bty-report.socket", "bty-tftp.socket"}

// Daemons that cannot start close no socket, however many ask, and do not spin. When they can again,
// they do so by themselves, and who has waited all the time is served.
func TestCrashLoop(t *testing.T) {
	const long = 6 * time.Second
	each(t, func(t *testing.T, h *host) {
		for _, unit := range []string{"bty-web.service", "bty-tftp.service"} {
			h.dropIn(unit, "[Service]\nExecStart=\nExecStart=/bin/false")
		}
		h.enable()
		waited := make(chan error, 1)
		go func() { waited <- h.healthy(8080) }()
		datagrams, err := h.LAN.DialContext(h.ctx, "udp", net.JoinHostPort(IP, "69"))
		if err != nil {
			t.Fatal(err)
		}
		defer datagrams.Close()
		for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			_, _ = datagrams.Write([]byte("not TFTP")) // nobody may answer, not even with an error
			if conn, err := h.LAN.DialContext(h.ctx, "tcp", net.JoinHostPort(IP, "8080")); err != nil {
				t.Fatalf("refused: %v", err)
			} else {
				conn.Close()
			}
		}
		h.open(sockets)
		for _, unit := range []string{"bty-web.service", "bty-tftp.service"} {
			n, err := strconv.Atoi(h.property(unit, "NRestarts"))
			if most := int(long/(500*time.Millisecond)) + 4; err != nil || n < 3 || n > most {
				t.Errorf("%s was tried %d times in %v; at most %d are without haste (%v)", unit, n, long, most, err)
			}
		}
		h.run("rm", "-r", "/run/systemd/system/bty-web.service.d", "/run/systemd/system/bty-tftp.service.d")
		h.run("systemctl", "daemon-reload")
		select {
		case err := <-waited:
			if err != nil {
				t.Errorf("who waited: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("who waited was never answered")
		}
		h.write("/var/lib/bty/boot/vmlinuz", "kernel", 0o644)
		if got, _ := h.fetch("vmlinuz"); string(got) != "kernel" {
			t.Errorf("TFTP serves %q", got)
		}
	})
}

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

// Connections as fast as they can be made, while the daemon starts and after: none is refused, no
// socket fails, and the daemon answers afterwards.
func TestConnectionFlood(t *testing.T) {
	const callers, long = 32, 4 * time.Second
	each(t, func(t *testing.T, h *host) {
		h.enable()
		var made, failed atomic.Int64
		var all sync.WaitGroup
		end := time.Now().Add(long)
		for range callers {
			all.Go(func() {
				for time.Now().Before(end) {
					conn, err := h.LAN.DialContext(h.ctx, "tcp", net.JoinHostPort(IP, "8080"))
					if err != nil {
						failed.Add(1)
						continue
					}
					conn.Close()
					made.Add(1)
				}
			})
		}
		all.Wait()
		t.Logf("%d connections in %v", made.Load(), long)
		if failed.Load() > 0 {
			t.Errorf("%d were refused", failed.Load())
		}
		h.open(sockets)
		if err := h.healthy(8080); err != nil {
			t.Error(err)
		}
	})
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
