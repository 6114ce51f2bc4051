package contract

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var (
	under  *Server  // the server that the cases are held against
	origin *Origin  // of their images
	own    *Program // that a case starts with settings of its own; nil when the server is given
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if origin, err = StartOrigin(cmp.Or(os.Getenv("BTY_CONTRACT_ORIGIN"), "127.0.0.1:0")); err != nil {
		return 1, err
	}
	defer origin.Close()
	if given := os.Getenv("BTY_CONTRACT_URL"); given != "" {
		under = &Server{URL: strings.TrimRight(given, "/"), Password: cmp.Or(os.Getenv("BTY_CONTRACT_PASSWORD"), "bty-lab"), Origin: origin}
		return m.Run(), nil
	}
	dir, err := os.MkdirTemp("", "bty-contract-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if own, err = Build(dir); err != nil {
		return 1, err
	}
	instance, err := own.Start(filepath.Join(dir, "state"), "BTY_WITHCACHE_URL="+origin.CacheURL(), "BTY_NETBOOT_RELEASE_URL="+origin.ReleaseURL())
	if err != nil {
		return 1, err
	}
	under = instance.Server
	under.Origin = origin
	code = m.Run()
	if text := instance.Said(); strings.Contains(text, "panic") {
		fmt.Fprintf(os.Stderr, "the log of bty-web has a panic:\n%s\n", text)
		code = 1
	}
	return code, instance.Stop()
}

// on is the caller of a case.
func on(t testing.TB) Caller {
	t.Helper()
	c := Caller{t, under}
	c.Live("vmlinuz") // cases want one to be there
	return c
}

// start starts a bty-web of its own with settings. A server that was given cannot be configured
// over HTTP, so such a case is not for it.
func start(t testing.TB, settings ...string) (Caller, *Instance) {
	t.Helper()
	return startIn(t, t.TempDir(), settings...)
}

// startIn starts it over a state folder that was there before.
func startIn(t testing.TB, state string, settings ...string) (Caller, *Instance) {
	t.Helper()
	if own == nil {
		t.Skip("needs a server with settings of its own; run without URL")
	}
	instance, err := own.Start(state, settings...)
	if err != nil {
		t.Fatal(err)
	}
	instance.Origin = origin
	t.Cleanup(func() {
		if err := instance.Stop(); err != nil {
			t.Error(err)
		}
	})
	return Caller{t, instance.Server}, instance
}

// differs notes a place where this server leaves the old contract on purpose, and why.
func differs(t testing.TB, why string) {
	t.Helper()
	t.Logf("differs on purpose: %s", why)
}
