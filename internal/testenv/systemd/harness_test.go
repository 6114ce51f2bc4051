package systemd

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
	"sync"
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/roots"
)

// suites are what a test that costs little runs in: systemd 252 and 257.
var suites = []string{roots.Bookworm, roots.Trixie}

// each runs a test once per suite, both at the same time: most of them wait most of the time.
func each(t *testing.T, test func(t *testing.T, h *host)) {
	for _, suite := range suites {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			test(t, boot(t, suite))
		})
	}
}

// host is a booted Debian of one test. It takes about two seconds to have one.
type host struct {
	*Host
	t   testing.TB
	ctx context.Context
}

// scratch is a folder of this run in the build folder.
var scratch string

func TestMain(m *testing.M) {
	if flag.Parse(); testing.Short() {
		fmt.Println("skipped: these tests boot containers, which takes minutes; run without -short")
		os.Exit(0)
	}
	code := m.Run()
	if scratch != "" {
		os.RemoveAll(scratch)
	}
	os.Exit(code)
}

// version is that of the package that is installed.
const version = "1.2.3"

// packages makes the Debian package, once for all tests, and lays its content out in a folder.
var packages = sync.OnceValues(func() (deb string, err error) {
	build, err := buildFolder()
	if err != nil {
		return "", err
	}
	sweep(build)
	if scratch, err = os.MkdirTemp(build, "systemd."); err != nil {
		return "", err
	}
	ctx := context.Background()
	if deb, err = Package(ctx, Config{Build: build, Repo: repo}, version, scratch); err != nil {
		return "", err
	}
	return deb, Unpack(ctx, deb, contents())
})

// sweep removes what killed runs have left. No run takes half a day.
func sweep(build string) {
	left, _ := filepath.Glob(filepath.Join(build, "systemd.*"))
	for _, dir := range left {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > 12*time.Hour {
			os.RemoveAll(dir)
		}
	}
}

func contents() string { return filepath.Join(scratch, "contents") }

const repo = "../../.."

// boot boots a host that ends with the test. The files of our package are there, as if they had been
// installed before it was switched on, and nothing is enabled.
func boot(t testing.TB, suite string) *host {
	t.Helper()
	if _, err := packages(); err != nil {
		t.Fatal(err)
	}
	return bootWith(t, suite, contents())
}

// bootWith boots a host with files of the caller's, or with none.
func bootWith(t testing.TB, suite, files string) *host {
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
	h, err := Boot(ctx, lan, Config{Suite: suite, Build: buildDir(t), Repo: repo, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(h.Journal(context.WithoutCancel(ctx), 80))
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return &host{h, t, ctx}
}

// buildDir is the build folder; `make test-systemd` says where that is.
func buildDir(t testing.TB) string {
	t.Helper()
	build, err := buildFolder()
	if err != nil {
		t.Fatal(err)
	}
	return build
}

func buildFolder() (string, error) {
	build := os.Getenv("BTY_BUILD")
	if build == "" {
		build = "../../../build"
	}
	if _, err := os.Stat(filepath.Join(build, "bin", "bty-web")); err != nil {
		return "", fmt.Errorf("%w; run: make build", err)
	}
	return build, nil
}

// run runs a command inside and returns what it printed, without the last newline. A command that
// fails ends the test.
func (h *host) run(name string, args ...string) string {
	h.t.Helper()
	out, err := h.Try(h.ctx, name, args...)
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.TrimRight(out, "\n")
}

// try is run for commands that may fail.
func (h *host) try(name string, args ...string) (string, error) {
	return h.Try(h.ctx, name, args...)
}

// write makes a file inside: "/etc/bty/bty.toml".
func (h *host) write(path, content string, mode fs.FileMode) {
	h.t.Helper()
	if err := h.Write(path, content, mode); err != nil {
		h.t.Fatal(err)
	}
}

// dropIn adds to a unit: "[Service]\nRestartSec=1".
func (h *host) dropIn(unit, content string) {
	h.t.Helper()
	h.write("/run/systemd/system/"+unit+".d/test.conf", content+"\n", 0o644)
	h.run("systemctl", "daemon-reload")
}

// property is one property of a unit: "ActiveState".
func (h *host) property(unit, name string) string {
	h.t.Helper()
	got, err := h.Property(h.ctx, unit, name)
	if err != nil {
		h.t.Fatal(err)
	}
	return got
}

// await waits until a property has the value.
func (h *host) await(limit time.Duration, unit, name, want string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.ctx, limit)
	defer cancel()
	if err := h.Await(ctx, unit, name, want); err != nil {
		h.t.Fatal(err)
	}
}

// enable does what the documentation tells an administrator to.
func (h *host) enable() {
	h.t.Helper()
	h.run("systemctl", "enable", "--now", "bty-web.socket", "bty-tftp.socket")
}

// url is an address of the appliance as machines on the LAN see it.
func url(path string) string { return "http://" + net.JoinHostPort(IP, "8080") + path }

// client is an HTTP client on the LAN, without kept connections unless keep is set.
func (h *host) client(keep bool) *http.Client {
	return &http.Client{Timeout: 30 * time.Second,
		Transport: &http.Transport{DialContext: h.LAN.DialContext, DisableKeepAlives: !keep, MaxIdleConnsPerHost: 64}}
}
