package systemd

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bty/internal/testenv/roots"
)

// How long daemons crash, and how long strangers connect; `make test-long` takes its time.
var (
	crashing = 12 * time.Second
	flooding = 4 * time.Second
)

const (
	brokenConfig = "[log]\nlevel = \"loud\"\n"
	goodConfig   = "[log]\nlevel = \"info\"\n"
)

// Both daemons crash at every start, while machines ask all the time. The sockets stay open, this
// machine is not kept busy by it, and when the cause is gone the machines that have waited are
// answered, without anybody's help.
func TestCrashLoop(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.bootFile("ipxe.efi", 1000)
		h.write("/etc/bty/bty.toml", brokenConfig, 0o644)
		h.enable()
		ctx, cancel := context.WithTimeout(h.ctx, crashing+3*time.Minute)
		defer cancel()
		begun, before := time.Now(), h.cpu()
		waiting := make(chan error, 1)
		patient := h.client(false)
		patient.Timeout = crashing + time.Minute
		go func() { waiting <- send(ctx, patient, http.MethodGet, "/pxe/52:54:00:00:00:01", nil) }()
		for time.Since(begun) < crashing {
			if err := h.requestFile("ipxe.efi"); err != nil { // nobody answers
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		used := h.cpu() - before
		t.Logf("crashing took %.1f %% of a core (figure 5 %%); web was started %s times, tftp %s times", 100*used.Seconds()/time.Since(begun).Seconds(),
			h.property("bty-web.service", "NRestarts"), h.property("bty-tftp.service", "NRestarts"))
		if used > time.Since(begun)/2 {
			t.Errorf("crashing daemons used %v of CPU in %v", used, time.Since(begun))
		}
		for _, unit := range []string{"bty-web.service", "bty-tftp.service"} {
			if n, err := strconv.Atoi(h.property(unit, "NRestarts")); err != nil || n < 3 {
				t.Errorf("%s was started again %d times, %v; the test shows nothing", unit, n, err)
			}
		}
		h.open(sockets)
		h.write("/etc/bty/bty.toml", goodConfig, 0o644)
		if err := <-waiting; err != nil {
			t.Errorf("a machine that waited: %v", err)
		}
		// Another machine: the requests of the first one are answered too, and it has gone.
		if err := h.LAN.Addresses(ctx, "replace 10.77.0.200/24 dev lan"); err != nil {
			t.Fatal(err)
		}
		if _, err := h.read(ctx, request{from: "10.77.0.200", to: IP, name: "ipxe.efi"}); err != nil {
			t.Errorf("TFTP after it: %v", err)
		}
		h.open(sockets)
	})
}

// requestFile sends a read request and does not wait for an answer.
func (h *host) requestFile(name string) error {
	conn, err := h.packetConn("")
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.WriteToUDP([]byte("\x00\x01"+name+"\x00octet\x00"), &net.UDPAddr{IP: net.ParseIP(IP), Port: 69})
	return err
}

// cpu is the time that the whole host has used.
func (h *host) cpu() time.Duration {
	h.t.Helper()
	groups, err := h.LAN.Cgroups()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, group := range groups {
		text, err := os.ReadFile(filepath.Join(group, "cpu.stat"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // systemd's own hierarchy counts nothing
		}
		fields := strings.Fields(string(text))
		if err != nil || len(fields) < 2 || fields[0] != "usage_usec" {
			h.t.Fatalf("%s: %v", text, err)
		}
		usec, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			h.t.Fatal(err)
		}
		return time.Duration(usec) * time.Microsecond
	}
	h.t.Fatal("no control group counts CPU time")
	return 0
}

// Strangers connect as fast as they can and say nothing: to a daemon that is to be started by it, and
// to one that cannot start. systemd's limits do not close the socket, and machines are answered after it.
func TestConnectFlood(t *testing.T) {
	h := boot(t, roots.Bookworm)
	h.enable()
	t.Run("healthy", func(t *testing.T) {
		h := h.as(t)
		h.flood()
		h.open(sockets)
		if err := h.get("/pxe/52:54:00:00:00:01"); err != nil {
			t.Error(err)
		}
	})
	t.Run("cannot start", func(t *testing.T) {
		h := h.as(t)
		h.write("/etc/bty/bty.toml", brokenConfig, 0o644)
		h.run("systemctl", "stop", "bty-web.service")
		h.flood()
		h.open(sockets)
		h.write("/etc/bty/bty.toml", goodConfig, 0o644)
		if err := h.get("/pxe/52:54:00:00:00:02"); err != nil {
			t.Error(err)
		}
	})
	if said := h.run("journalctl", "--no-pager", "--quiet", "--output=cat", "_PID=1"); strings.Contains(said, "limit-hit") {
		t.Error("systemd hit a limit")
	}
}

// flood connects from eight threads of the LAN and hangs up at once.
func (h *host) flood() {
	h.t.Helper()
	var opened, failed, refused atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			err := h.LAN.Inside(func() error {
				dialer := net.Dialer{Timeout: 200 * time.Millisecond} // a full queue drops
				for end := time.Now().Add(flooding); time.Now().Before(end); {
					conn, err := dialer.Dial("tcp", net.JoinHostPort(IP, "8080"))
					if errors.Is(err, syscall.ECONNREFUSED) {
						refused.Add(1)
					}
					if err != nil {
						failed.Add(1)
						continue
					}
					opened.Add(1)
					conn.(*net.TCPConn).SetLinger(0) // no port is kept for a minute
					conn.Close()
				}
				return nil
			})
			if err != nil {
				h.t.Error(err)
			}
		})
	}
	all.Wait()
	h.t.Logf("%.0f connections a second, %d not taken", float64(opened.Load())/flooding.Seconds(), failed.Load())
	if n := refused.Load(); n > 0 {
		h.t.Errorf("%d were refused", n)
	}
	if opened.Load() < 1000 {
		h.t.Errorf("only %d connections; the test shows nothing", opened.Load())
	}
}
