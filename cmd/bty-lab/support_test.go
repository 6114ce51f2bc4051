package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bty/internal/client"
)

// bundled makes a bundle and reads it; it is made in time.
func bundled(t *testing.T, vars map[string]string) (files map[string]string, said string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bundle.tar.gz")
	var out bytes.Buffer
	begun := time.Now()
	err := run(t.Context(), env{args: []string{"support-bundle", path}, stdout: &out, stderr: &out, getenv: func(k string) string { return vars[k] }})
	if took := time.Since(begun); err != nil || took > 10*time.Second {
		t.Fatalf("%v, after %s: %s", err, took, &out)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	return unpack(t, path), out.String()
}

func unpack(t *testing.T, path string) map[string]string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	packed, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for in := tar.NewReader(packed); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		_, name, ok := strings.Cut(h.Name, "/")
		if !ok || strings.Contains(name, "/") {
			t.Errorf("%s is not in one folder", h.Name)
		}
		files[name] = string(text)
	}
}

// Everything that is secret in an appliance was typed by somebody where it is shown, and none of it
// is in the bundle.
func TestSupportBundle(t *testing.T) {
	const password, session, registry = "correct horse", "a-key-of-cookies", "registry-password"
	auths := filepath.Join(t.TempDir(), "config.json")
	auth := base64.StdEncoding.EncodeToString([]byte("puller:" + registry))
	if err := os.WriteFile(auths, []byte(`{"auths":{"registry.example":{"auth":"`+auth+`"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	secretVars := map[string]string{"BTY_ADMIN_PASSWORD": password, "BTY_SERVER_SESSION_SECRET": session, "BTY_ORAS_CREDENTIALS_FILE": auths}
	for name, value := range secretVars {
		t.Setenv(name, value)
	}
	s := startServer(t)
	control := client.NewControl(s.socket, "test")
	defer control.Close()
	call := func(method, path string, in, out any) {
		t.Helper()
		if err := control.Call(t.Context(), method, path, in, out); err != nil {
			t.Fatal(err)
		}
	}
	var token struct{ Secret string }
	call("POST", "/api/v1/tokens", map[string]any{"name": "ci", "scope": "read"}, &token)
	origin := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "image") })}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go origin.Serve(l)
	t.Cleanup(func() { origin.Close() })
	call("POST", "/catalog/entries", map[string]any{"image_url": "http://" + l.Addr().String() + "/a.img?sig=signature-of-url"}, nil)
	const mac, serial = "52:54:00:00:00:01", "WD-SERIAL-0001"
	s.seen(t, mac)
	inventory := map[string]any{"disks": []map[string]any{{"path": "/dev/sda", "serial": serial}}, "lshw": map[string]any{"id": "x"}}
	call("POST", "/pxe/"+mac+"/inventory", inventory, nil)
	call("POST", "/pxe/"+mac+"/status", map[string]any{"status": "failed", "reason": "cannot get http://who:url-password@mirror.example/a.img"}, nil)
	labels := []string{password, session, registry, auth, token.Secret, "rack-7"}
	call("PUT", "/machines/"+mac, map[string]any{"boot_mode": "ipxe-exit", "labels": labels}, nil)
	hidden := []string{password, session, registry, auth, token.Secret, "url-password", "signature-of-url", serial}

	shown := ""
	for _, path := range []string{"/machines", "/catalog/entries", "/events"} {
		var b strings.Builder
		if _, err := control.Fetch(t.Context(), path, &b); err != nil {
			t.Fatal(err)
		}
		shown += b.String()
	}
	vars := map[string]string{"BTY_PATHS_STATE_DIR": filepath.Dir(s.boot), "BTY_PATHS_RUN_DIR": filepath.Dir(s.socket)}
	for name, value := range secretVars {
		vars[name] = value
	}
	files, said := bundled(t, vars)
	for _, h := range hidden {
		if h == "" || !strings.Contains(shown, h) {
			t.Errorf("%q is not shown, so this test shows nothing: %s", h, shown)
		}
		for name, text := range files {
			if strings.Contains(text, h) {
				t.Errorf("%s has %q:\n%s", name, h, text)
			}
		}
		if strings.Contains(said, h) {
			t.Errorf("it says %q: %s", h, said)
		}
	}
	for name, want := range map[string]string{
		"README": "MACs, addresses", "versions.txt": `"version"`, "settings.txt": `"(set)"`, "doctor.json": `"findings"`, "ready.json": `"ready"`,
		"machines.json": `"serial": "serial-1"`, "events.json": mac, "images.json": l.Addr().String() + "/a.img?[removed]", "netboot.json": "bty-live",
		"metrics.txt": "bty_", "backups.txt": "WILL FLASH", "folders.txt": "bty.db", "disks.txt": "MB free", "network.txt": "127.0.0.1/8", "tftp.json": "{", "cache.json": "is off",
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s does not have %q:\n%s", name, want, files[name])
		}
	}
	if !strings.Contains(files["machines.json"], mac) || !strings.Contains(files["machines.json"], "rack-7") {
		t.Error(files["machines.json"])
	}
}

// A server that is not there, one that never answers, and a configuration that is refused cost what
// they would tell, and are said.
func TestSupportBundleWithoutServer(t *testing.T) {
	dir := t.TempDir()
	vars := map[string]string{"BTY_PATHS_RUN_DIR": dir, "BTY_PATHS_STATE_DIR": dir, "BTY_SERVER_PORT": "1", "BTY_TFTP_PORT": "1"}
	complete := func(want string) {
		t.Helper()
		files, said := bundled(t, vars)
		for _, text := range []string{files["README"], files["machines.json"], said} {
			if !strings.Contains(text, want) {
				t.Errorf("it does not say %q: %s", want, text)
			}
		}
		if !strings.Contains(files["network.txt"], "127.0.0.1/8") || !strings.Contains(files["doctor.json"], "host.down") {
			t.Errorf("%q", files)
		}
	}
	complete("there is no control socket " + dir)
	l, err := net.Listen("unix", filepath.Join(dir, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	complete("bty-web did not answer within 3s")
	vars["BTY_SERVER_PORT"] = "x"
	files, said := bundled(t, vars)
	if !strings.Contains(said, "settings.txt") || !strings.Contains(files["settings.txt"], "BTY_SERVER_PORT") {
		t.Errorf("%s %s", said, files["settings.txt"])
	}
}

func TestSupportBundleReplacesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine")
	if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := call("support-bundle", path); err == nil || !strings.Contains(err.Error(), "exists already; name another") {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
		t.Errorf("%q, %v", text, err)
	}
	if _, _, err := call("support-bundle", "a", "b"); err == nil || !errors.As(err, new(usageError)) {
		t.Error(err)
	}
	t.Chdir(t.TempDir())
	if out, _, err := call("support-bundle", "--socket", "/nonexistent/control.sock"); err != nil || !strings.HasPrefix(out, "bty-support-") {
		t.Errorf("%v: %s", err, out)
	}
	if made, err := filepath.Glob("bty-support-*Z.tar.gz"); err != nil || len(made) != 1 {
		t.Errorf("%q, %v", made, err)
	}
}

// The bundle tells of every unit that there is.
func TestSupportUnits(t *testing.T) {
	for _, kind := range []string{"service", "socket", "timer", "slice"} {
		units, err := filepath.Glob("../../units/*." + kind)
		if err != nil || len(units) == 0 {
			t.Fatal(kind, err)
		}
		for _, u := range units {
			if !slices.Contains(supportUnits, filepath.Base(u)) {
				t.Errorf("%s is left out", u)
			}
		}
	}
}
