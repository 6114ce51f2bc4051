package containers

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/systemd"
)

const repo = "../../.."

func TestMain(m *testing.M) {
	if flag.Parse(); testing.Short() {
		fmt.Println("skipped: these tests boot containers, which takes minutes; run without -short")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// host is a booted Debian of one test.
type host struct {
	*Host
	t   testing.TB
	ctx context.Context
}

func boot(t testing.TB) *host {
	t.Helper()
	ctx := t.Context()
	lan, err := testenv.OpenLAN(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lan.Close(); err != nil {
			t.Error(err)
		}
	})
	h, err := Boot(ctx, lan, Config{Build: buildFolder(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(h.Journal(context.WithoutCancel(ctx), 120))
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return &host{h, t, ctx}
}

// buildFolder is where `make build` puts things; `make test-containers` says where that is.
func buildFolder(t testing.TB) string {
	t.Helper()
	build := os.Getenv("BTY_BUILD")
	if build == "" {
		build = filepath.Join(repo, "build")
	}
	if _, err := os.Stat(filepath.Join(build, "bin", "bty-web")); err != nil {
		t.Fatalf("%v; run: make build", err)
	}
	return build
}

// run runs a command on the host and returns what it printed, without the last newline. A command
// that fails ends the test.
func (h *host) run(name string, args ...string) string {
	h.t.Helper()
	out, err := h.Try(h.ctx, name, args...)
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.TrimRight(out, "\n")
}

func (h *host) write(path, content string, mode fs.FileMode) {
	h.t.Helper()
	if err := h.Write(path, content, mode); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) property(unit, name string) string {
	h.t.Helper()
	got, err := h.Property(h.ctx, unit, name)
	if err != nil {
		h.t.Fatal(err)
	}
	return got
}

// url is an address of the appliance as machines on the LAN see it.
func url(path string) string { return "http://" + net.JoinHostPort(systemd.IP, "8080") + path }

// client is an HTTP client on the LAN, without kept connections.
func (h *host) client() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: h.LAN.DialContext, DisableKeepAlives: true}}
}
