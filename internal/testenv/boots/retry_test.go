package boots

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bty/internal/boot"
	"bty/internal/ipxe"
	"bty/internal/machine"
)

// A real iPXE runs the scripts against a server whose first answers are errors: each fetch is
// tried again, and the script of the machine says how often it has asked.
func TestScriptsTryAgain(t *testing.T) {
	ctx := parallelFor(t, 3*time.Minute)
	kernel, err := os.ReadFile(built(t, "live", "bty-live-x86_64.vmlinuz"))
	if err != nil {
		t.Fatal(err)
	}
	s := newShaky(kernel)
	defer s.server.Close()
	host := strings.Replace(s.server.Listener.Addr().String(), "127.0.0.1", "10.0.2.2", 1) // as QEMU's own network shows it
	live := boot.Offer{Action: boot.StartLive, Rule: boot.RuleWizard, Machine: machine.Machine{Intent: machine.Intent{Mode: machine.TUI}},
		Live: boot.LiveFiles{Kernel: "k", Initrd: "i"}}
	s.scripts = map[string][]byte{"/pxe-bootstrap.ipxe": ipxe.Bootstrap(host, ""), "/pxe/52-54-00-00-00-01": ipxe.Render(live, host)}

	start := filepath.Join(t.TempDir(), "start.ipxe")
	if err := os.WriteFile(start, ipxe.Autoexec(host, ""), 0o600); err != nil {
		t.Fatal(err)
	}
	qemu := exec.CommandContext(ctx, "qemu-system-x86_64", "-accel", "tcg", "-m", "256", "-nodefaults", "-display", "none",
		"-kernel", built(t, "ipxe", "ipxe.lkrn"), "-initrd", start,
		"-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n,mac=52:54:00:00:00:01")
	if err := qemu.Start(); err != nil {
		t.Fatalf("%v; apt-get install qemu-system-x86", err)
	}
	defer func() { _ = qemu.Process.Kill(); _ = qemu.Wait() }()
	select {
	case <-s.done:
	case <-ctx.Done():
	}
	want := []string{
		"/pxe-bootstrap.ipxe", "/pxe-bootstrap.ipxe",
		"/pxe/52-54-00-00-00-01 try=0", "/pxe/52-54-00-00-00-01 try=1",
		"/boot/k", "/boot/k", "/boot/i", "/boot/k", "/boot/i",
	}
	if got := s.asked(); !slices.Equal(got, want) {
		t.Errorf("asked %q\nwant  %q", got, want)
	}
}

// shaky answers the first request for each path with an error.
type shaky struct {
	server  *httptest.Server
	scripts map[string][]byte
	kernel  []byte
	done    chan struct{} // closed once the initrd has been served

	mu   sync.Mutex
	seen map[string]bool
	all  []string
}

func newShaky(kernel []byte) *shaky {
	s := &shaky{kernel: kernel, seen: map[string]bool{}, done: make(chan struct{})}
	s.server = httptest.NewServer(s)
	return s
}

func (s *shaky) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

func (s *shaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := r.URL.Path
	if try := r.URL.Query().Get("try"); try != "" {
		entry += " try=" + try
	}
	s.all = append(s.all, entry)
	if !s.seen[r.URL.Path] {
		s.seen[r.URL.Path] = true
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if script, ok := s.scripts[r.URL.Path]; ok {
		_, _ = w.Write(script) // the machine is switched off at the end
		return
	}
	_, _ = w.Write(s.kernel)
	if r.URL.Path == "/boot/i" {
		close(s.done)
	}
}
