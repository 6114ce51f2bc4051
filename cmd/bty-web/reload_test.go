package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// config writes the configuration file that a reads.
func (a *appliance) config(text string) {
	a.Helper()
	if err := os.WriteFile(a.configFile(), []byte(text), 0o640); err != nil {
		a.Fatal(err)
	}
}

func (a *appliance) configFile() string { return filepath.Join(filepath.Dir(a.state), "none.toml") }

// control sends a request to the control socket.
func (a *appliance) control(method, path string) (int, string) {
	a.Helper()
	socket := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(a.run, "control.sock"))
	}}}
	defer socket.CloseIdleConnections()
	req, err := http.NewRequest(method, "http://control"+path, nil)
	if err != nil {
		a.Fatal(err)
	}
	resp, err := socket.Do(req)
	if err != nil {
		a.Fatal(err)
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw)
}

func TestReload(t *testing.T) {
	a := start(t, nil)
	lastIP := func(forwarded string) string {
		a.anonymous("GET", "/pxe/"+mac1, nil, "X-Forwarded-For", forwarded).is(t, 200)
		return a.machine(mac1)["last_seen_ip"].(string)
	}
	if got := lastIP("192.0.2.7"); got != "127.0.0.1" {
		t.Fatalf("believed %s unasked", got)
	}
	a.config("[server]\ntrusted_proxy = '127.0.0.1'\n[log]\nformat = 'json'\n[cache]\nstrict_miss = true\nmax_fills = 2\n")
	if status, text := a.control("POST", "/reload"); status != 200 || text != `{"changed":["server.trusted_proxy","cache.strict_miss","cache.max_fills","log.format"],"restart":["cache.max_fills (of bty-cache)","log.format (of bty-web)"],"reload":["cache.strict_miss (of bty-cache)"]}` {
		t.Errorf("%d %s", status, text)
	}
	a.do("GET", "/ui/settings", nil).is(t, 200, `title="A change takes effect with systemctl reload bty-cache">reload<`, `restart bty-cache<`)
	if got := lastIP("192.0.2.7"); got != "192.0.2.7" {
		t.Errorf("the new proxy is not believed: %s", got)
	}
	a.config("[server]\ntrusted_proxy = 'proxy.example'\n")
	if status, text := a.control("POST", "/reload"); status != 422 || !strings.Contains(text, "none.toml:2: server.trusted_proxy") || !strings.Contains(text, "stays") {
		t.Errorf("%d %s", status, text)
	}
	if got := lastIP("192.0.2.8"); got != "192.0.2.8" {
		t.Errorf("a broken file changed what was in force: %s", got)
	}
	a.config("")
	if status, text := a.control("POST", "/reload"); status != 200 || !strings.Contains(text, "server.trusted_proxy") {
		t.Errorf("%d %s", status, text)
	}
	if got := lastIP("192.0.2.9"); got != "127.0.0.1" {
		t.Errorf("still believed: %s", got)
	}
	a.anonymous("POST", "/reload", nil).is(t, 404)
	a.alive()
}

// What is looked into is looked into without a restart.
func TestReloadLogLevel(t *testing.T) {
	a := start(t, nil)
	a.config("[log]\nlevel = 'warn'\n")
	a.control("POST", "/reload")
	before := a.log.String()
	a.anonymous("GET", "/pxe/"+mac1, nil)
	if said := strings.TrimPrefix(a.log.String(), before); strings.Contains(said, "level=INFO") {
		t.Errorf("still says %s", said)
	}
	a.config("")
	a.control("POST", "/reload")
	a.anonymous("GET", "/pxe/"+mac2, nil)
	if said := strings.TrimPrefix(a.log.String(), before); !strings.Contains(said, "level=INFO") {
		t.Errorf("says only %s", said)
	}
}

// SIGHUP does the same.
func TestHangup(t *testing.T) {
	a := prepare(t, nil)
	hangup := make(chan struct{}, 1)
	a.hangup = hangup
	a.begin()
	a.config("[server]\ntrusted_proxy = '127.0.0.1'\n")
	hangup <- struct{}{}
	a.eventually("the configuration was read again", func() bool {
		return strings.Contains(a.log.String(), "in force: server.trusted_proxy")
	})
}
