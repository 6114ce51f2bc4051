package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const password = "correct horse"

// appliance is a bty-web that runs as it does in life: its own database, boot folder, port and
// sockets, nothing replaced.
type appliance struct {
	testing.TB
	url, host  string
	state, run string // folders
	vars       map[string]string
	log        *logBuffer
	http       *http.Client
	cookie     string // of the operator, "" while nobody signed in
	stop       func() error
	hangup     <-chan struct{}
}

// logBuffer is what the process says.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs bty-web in a folder of its own with vars on top of what makes it private.
func start(t testing.TB, vars map[string]string) *appliance {
	t.Helper()
	a := prepare(t, vars)
	a.begin()
	return a
}

func prepare(t testing.TB, vars map[string]string) *appliance {
	t.Helper()
	root := t.TempDir()
	a := &appliance{TB: t, state: filepath.Join(root, "state"), run: filepath.Join(root, "run"), log: &logBuffer{},
		http: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport:     &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
			Timeout:       30 * time.Second,
		}}
	a.vars = map[string]string{
		"BTY_SERVER_HOST": "127.0.0.1", "BTY_SERVER_PORT": strconv.Itoa(freePort(t)), "BTY_ADMIN_PASSWORD": password,
		"BTY_PATHS_STATE_DIR": a.state, "BTY_PATHS_RUN_DIR": a.run,
	}
	maps.Copy(a.vars, vars)
	a.host = net.JoinHostPort(a.vars["BTY_SERVER_HOST"], a.vars["BTY_SERVER_PORT"])
	a.url = "http://" + a.host
	t.Cleanup(func() { a.http.CloseIdleConnections(); a.holdAgainstCatalog() })
	return a
}

// given are the ports that tests of this process have got.
var given sync.Map

// freePort is one that no other test gets, and no connection that begins here: they have ports from
// 32768 on.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(12000)
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// environment is that of a process with nothing but a's variables set.
func (a *appliance) environment() environment {
	return environment{args: []string{"-config", filepath.Join(filepath.Dir(a.state), "none.toml")},
		getenv: func(k string) string { return a.vars[k] }, stdout: io.Discard, stderr: a.log, hangup: a.hangup}
}

// begin starts the process and returns once it answers. It is stopped when the test ends, or by stop.
func (a *appliance) begin() {
	a.Helper()
	none := filepath.Join(filepath.Dir(a.state), "none.toml")
	if _, err := os.Stat(none); err != nil { // a test may have written it, or the process before a restart
		if err := os.WriteFile(none, nil, 0o600); err != nil {
			a.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, a.environment()) }()
	a.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	a.Cleanup(func() {
		if err := a.stop(); err != nil {
			a.Errorf("bty-web: %v", err)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		resp, err := a.http.Get(a.url + "/readyz")
		if err == nil {
			resp.Body.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- nil
			a.Fatalf("bty-web ended: %v\n%s", err, a.log)
		default:
		}
		if time.Now().After(deadline) {
			a.Fatalf("bty-web does not answer: %v\n%s", err, a.log)
		}
	}
}

// restart stops the process and starts it again over the same state.
func (a *appliance) restart() {
	a.Helper()
	if err := a.stop(); err != nil {
		a.Fatal(err)
	}
	a.begin()
}

// reply is an answer with its body.
type reply struct {
	*http.Response
	body    string
	strange error // how it differs from what /openapi.json says, nil if it does not
}

// anonymous sends a request without the cookie. A body that is no string or reader goes as JSON.
func (a *appliance) anonymous(method, path string, body any, header ...string) reply {
	a.Helper()
	return a.send(method, path, body, header, "")
}

// do sends a request as the operator, who signs in first if need be.
func (a *appliance) do(method, path string, body any, header ...string) reply {
	a.Helper()
	if a.cookie == "" {
		a.signIn()
	}
	return a.send(method, path, body, header, a.cookie)
}

func (a *appliance) send(method, path string, body any, header []string, cookie string) reply {
	a.Helper()
	r, err := a.try(method, path, body, header, cookie)
	if err != nil {
		a.Fatalf("%s %s: %v\n%s", method, path, err, a.log)
	}
	if r.strange != nil {
		a.Error(r.strange)
	}
	return r
}

func (a *appliance) try(method, path string, body any, header []string, cookie string) (reply, error) {
	reader, media := encode(body)
	req, err := http.NewRequest(method, a.url+path, reader)
	if err != nil {
		return reply{}, err
	}
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	if cookie != "" {
		req.AddCookie(&http.Cookie{Name: "bty-token", Value: cookie})
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return reply{resp, string(raw), theContract().check(resp, string(raw))}, err
}

// jsonText is a body that is sent as it stands, as JSON.
type jsonText string

func encode(body any) (io.Reader, string) {
	switch body := body.(type) {
	case nil:
		return nil, ""
	case jsonText:
		return strings.NewReader(string(body)), "application/json"
	case url.Values:
		return strings.NewReader(body.Encode()), "application/x-www-form-urlencoded"
	case string:
		return strings.NewReader(body), ""
	case io.Reader:
		return body, ""
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return bytes.NewReader(raw), "application/json"
}

func (a *appliance) signIn() {
	a.Helper()
	r := a.anonymous("POST", "/ui/login", url.Values{"password": {a.vars["BTY_ADMIN_PASSWORD"]}})
	for _, c := range r.Cookies() {
		if c.Name == "bty-token" && r.StatusCode == http.StatusSeeOther {
			a.cookie = c.Value
			return
		}
	}
	a.Fatalf("cannot sign in: %s %s", r.Status, r.body)
}

// is checks the status and what the body says.
func (r reply) is(t testing.TB, status int, says ...string) reply {
	t.Helper()
	if r.StatusCode != status {
		t.Errorf("%s %s: status %d, want %d: %.500s", r.Request.Method, r.Request.URL.RequestURI(), r.StatusCode, status, r.body)
	}
	for _, want := range says {
		if !strings.Contains(r.body, want) {
			t.Errorf("%s %s: does not say %q: %.1000s", r.Request.Method, r.Request.URL.RequestURI(), want, r.body)
		}
	}
	return r
}

// json is the body decoded.
func (r reply) json(t testing.TB) any {
	t.Helper()
	if media := r.Header.Get("Content-Type"); media != "application/json" {
		t.Errorf("%s: Content-Type %q", r.Request.URL.Path, media)
	}
	var v any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("%s: %v: %.500s", r.Request.URL.Path, err, r.body)
	}
	return v
}

func (r reply) object(t testing.TB) map[string]any {
	t.Helper()
	o, ok := r.json(t).(map[string]any)
	if !ok {
		t.Fatalf("%s: no object: %.500s", r.Request.URL.Path, r.body)
	}
	return o
}

func (r reply) list(t testing.TB) []any {
	t.Helper()
	l, ok := r.json(t).([]any)
	if !ok {
		t.Fatalf("%s: no list: %.500s", r.Request.URL.Path, r.body)
	}
	return l
}

// keys are the keys of an object, sorted.
func keys(v any) string {
	o, _ := v.(map[string]any)
	return strings.Join(slices.Sorted(maps.Keys(o)), " ")
}

// machine is one machine as the operator sees it.
func (a *appliance) machine(mac string) map[string]any {
	a.Helper()
	return a.do("GET", "/machines/"+mac, nil).is(a, 200).object(a)
}

// events are those that a query selects, newest first.
func (a *appliance) events(query string) []map[string]any {
	a.Helper()
	var found struct{ Events []map[string]any }
	r := a.do("GET", "/events?"+query, nil).is(a, 200)
	if err := json.Unmarshal([]byte(r.body), &found); err != nil {
		a.Fatal(err)
	}
	return found.Events
}

func (a *appliance) count(query string) int { a.Helper(); return len(a.events("limit=500&" + query)) }

// alive proves that the process still serves, and answers what it is asked.
func (a *appliance) alive() {
	a.Helper()
	a.anonymous("GET", "/healthz", nil).is(a, 200, `{"status":"ok"}`)
	a.anonymous("GET", "/readyz", nil).is(a, 200)
}

// file puts a file into the boot folder.
func (a *appliance) file(name string, content []byte) {
	a.Helper()
	if err := os.WriteFile(filepath.Join(a.state, "boot", name), content, 0o644); err != nil {
		a.Fatal(err)
	}
}

// boots are the names in the boot folder.
func (a *appliance) boots() []string {
	a.Helper()
	entries, err := os.ReadDir(filepath.Join(a.state, "boot"))
	if err != nil {
		a.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

const (
	mac1 = "52:54:00:00:00:01"
	mac2 = "52:54:00:00:00:02"
)

// live puts a live environment into the boot folder.
func (a *appliance) live() {
	a.file("bty-live-x86_64.vmlinuz", []byte("kernel"))
	a.file("bty-live-x86_64.initrd", []byte("initrd"))
}

// origin is a web server that has images.
func origin(t testing.TB, files map[string]string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		if r.Method != http.MethodHead {
			fmt.Fprint(w, content)
		}
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return "http://" + l.Addr().String()
}
