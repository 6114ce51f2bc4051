package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bty/internal/testenv/registry"
	"bty/internal/wire"
)

// alone runs a test on a thread with a network namespace of its own, which ends with the thread.
func alone(t *testing.T, addresses ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		if testing.Short() {
			t.Skip("needs root for network namespaces")
		}
		t.Fatal("needs root for network namespaces: run as root, or with -short to leave it out")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	commands := []string{"link set lo up"}
	for _, a := range addresses {
		commands = append(commands, "addr add dev lo "+a)
	}
	for _, c := range commands {
		if out, err := exec.Command("ip", strings.Fields(c)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", c, err, out)
		}
	}
}

// serveAt is a server in the namespace of this thread.
func serveAt(t *testing.T, address string, handler http.Handler) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: handler}}
	s.Start()
	t.Cleanup(s.Close)
}

// No origin of the internet leads the cache into the network that it stands in, nor to itself.
func TestRedirectsInside(t *testing.T) {
	alone(t, "203.0.113.7/32", "203.0.113.8/32", "10.9.9.9/32", "10.9.9.8/32", "169.254.169.254/32", "fd00::9/128 nodad")
	img := newImage(1 << 20)
	inside := []string{"10.9.9.9:80", "10.9.9.8:80", "127.0.0.1:81", "169.254.169.254:80", "203.0.113.8:80", "[fd00::9]:80"}
	for _, at := range inside {
		serveAt(t, at, &publisher{image: img})
	}
	turn := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v2/lab/token/") { // a registry whose token service is inside
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://10.9.9.8/token",service="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/v2/lab/known/") { // one that sends for a token to what the catalog has
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://10.9.9.9/token",service="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/v2/") { // one whose storage is
			http.Redirect(w, r, "http://10.9.9.8/blob", http.StatusTemporaryRedirect)
			return
		}
		http.Redirect(w, r, "http://"+strings.TrimPrefix(r.URL.Path, "/to/"), http.StatusFound)
	})
	serveAt(t, "203.0.113.7:80", turn)
	serveAt(t, "10.9.9.9:8080", turn)
	c := startHere(t, map[string]string{"BTY_ORAS_PLAIN_HTTP": "203.0.113.7", "BTY_CACHE_ALLOW": "oras://203.0.113.7/lab/, http://203.0.113.7/to/, http://10.9.9.9/, http://10.9.9.9:8080/to/, http://169.254.169.254/latest/"})
	for src, want := range map[string]string{
		"http://203.0.113.7/to/203.0.113.8/x":           "200",
		"http://203.0.113.7/to/10.9.9.8/x":              "403 10.9.9.8 leads to 10.9.9.8, a private address",
		"http://203.0.113.7/to/10.9.9.9/x":              "403 a private address", // however well known that host is
		"http://203.0.113.7/to/127.0.0.1:81/x":          "403 the cache's own host",
		"http://203.0.113.7/to/localhost:81/x":          "403 the cache's own host",
		"http://203.0.113.7/to/0.0.0.0:81/x":            "403 reserved",
		"http://203.0.113.7/to/2130706433:81/x":         "50", // 127.0.0.1 as a number: a name that does not exist
		"http://203.0.113.7/to/169.254.169.254/latest/": "403 a link-local",
		"http://203.0.113.7/to/[::ffff:127.0.0.1]:81/x": "403 the cache's own host",
		"http://203.0.113.7/to/[fd00::9]/x":             "403 a private address",
		"oras://203.0.113.7/lab/storage:v1":             "403 10.9.9.8 leads to 10.9.9.8, a private address",
		"oras://203.0.113.7/lab/token:v1":               "403 10.9.9.8 leads to 10.9.9.8, a private address",
		"oras://203.0.113.7/lab/known:v1":               "403 10.9.9.9 leads to 10.9.9.9, a private address",
		"http://10.9.9.9/x":                             "200", // what the operator named is where he named it
		"http://10.9.9.9:8080/to/10.9.9.8/x":            "200", // within the network that it is in
		"http://10.9.9.9:8080/to/127.0.0.1:81/x":        "403 the cache's own host",
		"http://169.254.169.254/latest/x":               "200",
	} {
		headers, body, _ := curl(t, "-X", "GET", c.url(src))
		status, text, _ := strings.Cut(want, " ")
		if !strings.HasPrefix(headers, "HTTP/1.1 "+status) || text != "" && !strings.Contains(body, text) {
			t.Errorf("%s: want %s\n%s%.300s", src, want, headers, body)
		}
	}
}

// startHere starts the daemon in the namespace of this thread, where no other goroutine can ask it.
func startHere(t *testing.T, vars map[string]string) *cache {
	t.Helper()
	c := prepare(t, vars)
	c.cmd = c.program()
	c.cmd.Stderr = c.log
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd := c.cmd
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	c.eventually("bty-cache answers", func() bool {
		return exec.Command("curl", "-sf", fmt.Sprintf("http://127.0.0.1:%d/readyz", c.port)).Run() == nil
	})
	return c
}

// Images of registries, those behind a password too, and plain web servers of the same file.
func TestSignsIn(t *testing.T) {
	img := newImage(1 << 20)
	r := registry.Start(t, true)
	r.Push("lab/image", "v1", registry.Layer{Type: "application/octet-stream", Title: "disk.img", Content: string(img.bytes)})
	var asked []string
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		user, password, _ := req.BasicAuth()
		asked = append(asked, user+":"+password)
		if user != "me" || password != "here" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		(&publisher{image: img}).ServeHTTP(w, req)
	}))
	t.Cleanup(plain.Close)
	entry := func(account string) map[string]string {
		return map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(account))}
	}
	text, err := json.Marshal(map[string]any{"auths": map[string]any{
		r.Host: entry(registry.User + ":" + registry.Password), strings.TrimPrefix(plain.URL, "http://"): entry("me:here"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{"BTY_ORAS_PLAIN_HTTP": r.Host}
	src := "oras://" + r.Host + "/lab/image:v1"
	sources := []wire.CacheSource{{Src: src, SHA256: img.digest}, {Src: plain.URL + "/disk.img"}}
	stranger := start(t, vars)
	stranger.publish(sources...)
	for _, s := range sources {
		if headers, _, _ := curl(t, stranger.url(s.Src)); !strings.Contains(headers, " 502 ") {
			t.Errorf("%s without credentials:\n%s", s.Src, headers)
		}
	}
	vars["BTY_ORAS_CREDENTIALS_FILE"] = file
	c := start(t, vars)
	c.publish(sources...)
	for _, s := range sources {
		if headers, body, code := curl(t, c.url(s.Src)); code != 0 || hexOf([]byte(body)) != img.digest {
			t.Errorf("%s: curl ended with %d\n%s", s.Src, code, headers)
		}
	}
	said := c.log.String() + stranger.log.String()
	for _, secret := range []string{registry.Password, base64.StdEncoding.EncodeToString([]byte("me:here"))} {
		if strings.Contains(said, secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
}

// What one server is told no other hears, wherever it redirects to: not its own password, and none of what is written down
// for the other.
func TestCredentialsStay(t *testing.T) {
	img := newImage(1 << 20)
	heard := make(chan string, 100)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heard <- r.Header.Get("Authorization") + r.Header.Get("Cookie")
		(&publisher{image: img}).ServeHTTP(w, r)
	}))
	t.Cleanup(other.Close)
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, _, _ := r.BasicAuth(); user != "me" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, other.URL+"/disk.img", http.StatusFound)
		case "/within":
			http.Redirect(w, r, "/disk.img", http.StatusFound)
		case "/round":
			http.Redirect(w, r, other.URL+"/back", http.StatusTemporaryRedirect)
		default:
			(&publisher{image: img}).ServeHTTP(w, r)
		}
	}))
	t.Cleanup(home.Close)
	auths := map[string]any{}
	for _, u := range []string{home.URL, other.URL} {
		auths[strings.TrimPrefix(u, "http://")] = map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte("me:here"))}
	}
	text, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, map[string]string{"BTY_ORAS_CREDENTIALS_FILE": file})
	c.publish(wire.CacheSource{Src: home.URL + "/away"}, wire.CacheSource{Src: home.URL + "/within"}, wire.CacheSource{Src: home.URL + "/round"})
	for _, path := range []string{"/within", "/away", "/round"} {
		if headers, body, code := curl(t, c.url(home.URL+path)); code != 0 || hexOf([]byte(body)) != img.digest {
			t.Errorf("%s: curl ended with %d\n%s", path, code, headers)
		}
	}
	if len(heard) != 2 {
		t.Errorf("the other server was asked %d times", len(heard))
	}
	for close(heard); ; {
		said, more := <-heard
		if !more {
			break
		}
		if said != "" {
			t.Errorf("the other server heard %q", said)
		}
	}
}

// An authority of one's own is trusted beside the system's, and a file without one ends the start.
func TestAuthorities(t *testing.T) {
	img := newImage(1 << 20)
	server := httptest.NewTLSServer(&publisher{image: img})
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	pem := "-----BEGIN CERTIFICATE-----\n" + base64.StdEncoding.EncodeToString(server.Certificate().Raw) + "\n-----END CERTIFICATE-----\n"
	if err := os.WriteFile(file, []byte(pem), 0o600); err != nil {
		t.Fatal(err)
	}
	for vars, want := range map[string]string{"": " 502 ", file: " 200 "} {
		c := start(t, map[string]string{"BTY_CACHE_CA_FILE": vars})
		c.publish(wire.CacheSource{Src: server.URL + "/disk.img"})
		if headers, body, _ := curl(t, "-X", "GET", c.url(server.URL+"/disk.img")); !strings.Contains(headers, want) {
			t.Errorf("ca_file %q: want %s\n%s%.300s", vars, want, headers, body)
		}
	}
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := prepare(t, map[string]string{"BTY_CACHE_CA_FILE": file}).program().CombinedOutput()
	if err == nil || !strings.Contains(string(out), "[cache] ca_file") {
		t.Errorf("%v: %s", err, out)
	}
}

// The proxy of the environment is used, and what it is asked for is looked at before.
func TestProxy(t *testing.T) {
	img := newImage(1 << 20)
	var asked []string
	through := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String())
		if strings.Contains(r.URL.Path, "/away") {
			http.Redirect(w, r, "http://169.254.169.254/latest/", http.StatusFound)
			return
		}
		(&publisher{image: img}).ServeHTTP(w, r)
	}))
	t.Cleanup(through.Close)
	c := start(t, map[string]string{"HTTP_PROXY": through.URL, "http_proxy": through.URL})
	const host = "http://images.invalid"
	c.publish(wire.CacheSource{Src: host + "/disk.img"}, wire.CacheSource{Src: host + "/away"})
	if headers, body, code := curl(t, "--noproxy", "*", c.url(host+"/disk.img")); code != 0 || hexOf([]byte(body)) != img.digest {
		t.Errorf("curl ended with %d\n%s", code, headers)
	}
	headers, body, _ := curl(t, "--noproxy", "*", c.url(host+"/away"))
	if !strings.Contains(headers, " 403 ") || !strings.Contains(body, "link-local") || len(asked) != 2 {
		t.Errorf("%v\n%s%s", asked, headers, body)
	}
}

// A thousand machines that ask for what is not allowed are a few lines in the journal.
func TestFloodOfRefusals(t *testing.T) {
	c := start(t, nil)
	begun := time.Now()
	client := &http.Client{}
	for i := range 1000 {
		resp, err := client.Get(c.url(fmt.Sprintf("http://evil.example/%d", i)))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if n := strings.Count(c.log.String(), "image not given"); n > 5 {
		t.Errorf("%d lines in %v", n, time.Since(begun))
	}
	if n := len(c.status().Misses); n > 200 {
		t.Errorf("%d misses are remembered", n)
	}
}
