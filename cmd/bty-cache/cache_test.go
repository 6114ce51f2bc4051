package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bty/internal/wire"
)

// The test binary plays bty-cache as a process of its own when BTY_TEST_AS_BTY_CACHE is set.
func TestMain(m *testing.M) {
	if os.Getenv("BTY_TEST_AS_BTY_CACHE") != "" {
		main()
	}
	os.Exit(m.Run())
}

// cache is one bty-cache and its folders.
type cache struct {
	*testing.T
	dir  string
	port int
	vars map[string]string
	log  *lines
	cmd  *exec.Cmd
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func start(t *testing.T, vars map[string]string) *cache {
	t.Helper()
	c := prepare(t, vars)
	c.begin()
	return c
}

func prepare(t *testing.T, vars map[string]string) *cache {
	t.Helper()
	dir, err := os.MkdirTemp("", "c") // short: a socket's path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := &cache{T: t, dir: dir, port: freePort(t), log: new(lines), vars: map[string]string{
		"BTY_TEST_AS_BTY_CACHE": "1", "BTY_CACHE_HOST": "127.0.0.1", "BTY_CACHE_DIR": dir + "/held", "BTY_PATHS_RUN_DIR": dir,
		"BTY_PATHS_STATE_DIR": dir + "/state", "BTY_CACHE_MIN_FREE": "1M",
	}}
	c.vars["BTY_CACHE_PORT"] = fmt.Sprint(c.port)
	for k, v := range vars {
		c.vars[k] = v
	}
	t.Cleanup(func() {
		if strings.Contains(c.log.String(), "DATA RACE") { // with go test -race
			t.Error("bty-cache has a data race")
		}
		if t.Failed() {
			t.Logf("bty-cache said:\n%s", c.log)
		}
	})
	return c
}

// freePort is one that no connection which begins here gets meanwhile: they have ports from 32768 on.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(12000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// program is a call of bty-cache.
func (c *cache) program(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		c.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	for k, v := range c.vars {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	return cmd
}

// begin starts the daemon and returns once it answers.
func (c *cache) begin() {
	c.Helper()
	c.cmd = c.program()
	c.cmd.Stderr = c.log
	if err := c.cmd.Start(); err != nil {
		c.Fatal(err)
	}
	cmd := c.cmd
	c.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	c.eventually("bty-cache answers", func() bool {
		resp, err := c.control().Get("http://cache/readyz")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	})
}

// end stops the daemon with a signal and returns how it ended.
func (c *cache) end(signal os.Signal) error {
	c.Helper()
	if err := c.cmd.Process.Signal(signal); err != nil {
		c.Fatal(err)
	}
	return c.cmd.Wait()
}

func (c *cache) eventually(what string, is func() bool) {
	c.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.Fatalf("it does not come to pass that %s", what)
		}
	}
}

func (c *cache) url(src string) string {
	return fmt.Sprintf("http://127.0.0.1:%d/b/%s/image", c.port, base64.RawURLEncoding.EncodeToString([]byte(src)))
}

// control is a client of the control socket.
func (c *cache) control() *http.Client {
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", c.dir+"/cache.sock")
	}}}
}

// order sends a request to the control socket and returns the answer.
func (c *cache) order(method, path string, body any) (status int, answer string) {
	c.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		c.Fatal(err)
	}
	req, err := http.NewRequest(method, "http://cache"+path, bytes.NewReader(text))
	if err != nil {
		c.Fatal(err)
	}
	resp, err := c.control().Do(req)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		c.Fatal(err)
	}
	return resp.StatusCode, string(said)
}

func (c *cache) publish(sources ...wire.CacheSource) {
	c.Helper()
	if status, said := c.order("PUT", "/sources", wire.CacheSources{Sources: sources}); status != http.StatusNoContent {
		c.Fatalf("%d %s", status, said)
	}
}

// status is the part of the cache's state that tests look at.
func (c *cache) status() (s wire.CacheStatus) {
	c.Helper()
	_, said := c.order("GET", "/status", nil)
	var raw struct {
		Blobs []struct {
			SHA256  string   `json:"sha256"`
			Sources []string `json:"sources"`
			Pinned  bool     `json:"pinned"`
		} `json:"blobs"`
		Fills []struct {
			Src    string `json:"src"`
			Status string `json:"status"`
			Error  string `json:"error"`
		} `json:"fills"`
		Misses []struct {
			Src    string `json:"src"`
			Reason string `json:"reason"`
			Count  int64  `json:"count"`
		} `json:"misses"`
		Streams []struct {
			Src string `json:"src"`
		} `json:"streams"`
		Problem string `json:"problem"`
	}
	if err := json.Unmarshal([]byte(said), &raw); err != nil {
		c.Fatalf("%v: %s", err, said)
	}
	s.Problem = raw.Problem
	for _, b := range raw.Blobs {
		s.Blobs = append(s.Blobs, wire.CacheBlob{SHA256: b.SHA256, Sources: b.Sources, Pinned: b.Pinned})
	}
	for _, f := range raw.Fills {
		s.Fills = append(s.Fills, wire.CacheFill{Src: f.Src, Status: f.Status, Error: f.Error})
	}
	for _, m := range raw.Misses {
		s.Misses = append(s.Misses, wire.CacheMiss{Src: m.Src, Reason: m.Reason, Count: m.Count})
	}
	s.Streams = make([]wire.CacheStream, len(raw.Streams))
	return s
}

// held waits until an image is here in full.
func (c *cache) held(digest string) {
	c.Helper()
	c.eventually("the image is held", func() bool {
		for _, b := range c.status().Blobs {
			if b.SHA256 == digest {
				return true
			}
		}
		return false
	})
}

// curl runs curl; headers is what -D wrote.
func curl(t *testing.T, args ...string) (headers, body string, code int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "headers")
	cmd := exec.Command("curl", append([]string{"-sS", "--max-time", "30", "-D", file}, args...)...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatalf("curl: %v (apt-get install curl)", err)
	}
	raw, _ := os.ReadFile(file)
	return strings.ReplaceAll(string(raw), "\r\n", "\n"), out.String(), code
}

// says demands headers, whatever the case of their names.
func says(t *testing.T, headers string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(strings.ToLower(headers), strings.ToLower(w)) {
			t.Errorf("no %q in:\n%s", w, headers)
		}
	}
}

// image is bytes that somebody publishes.
type image struct {
	bytes  []byte
	digest string
}

func newImage(size int) image {
	b := make([]byte, size)
	var seed [32]byte
	_, _ = rand.NewChaCha8(seed).Read(b)
	return image{b, hexOf(b)}
}

func hexOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// publisher is an origin that gives an image as a test lets it.
type publisher struct {
	*httptest.Server
	image image
	gate  chan struct{} // half of it waits for this to be closed; nil waits for nothing
	asked atomic.Int32
	mute  atomic.Bool // says nothing at all
	cut   atomic.Bool // ends in the middle, and knows nothing of it then
}

func newPublisher(t *testing.T, img image) *publisher {
	t.Helper()
	p := &publisher{image: img}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.mute.Load() {
		<-r.Context().Done()
		return
	}
	asked := p.asked.Add(1)
	if p.cut.Load() && asked > 1 {
		http.NotFound(w, r)
		return
	}
	if p.gate == nil && !p.cut.Load() {
		w.Header().Set("ETag", `"v1"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.image.bytes))
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(p.image.bytes)))
	half := len(p.image.bytes) / 2
	_, _ = w.Write(p.image.bytes[:half])
	w.(http.Flusher).Flush()
	if p.cut.Load() {
		panic(http.ErrAbortHandler)
	}
	select {
	case <-p.gate:
		_, _ = w.Write(p.image.bytes[half:])
	case <-r.Context().Done():
	}
}

// Machines that ask while an image is fetched get it from the one fetch, byte by byte as it comes.
func TestFollows(t *testing.T) {
	p := newPublisher(t, newImage(9<<20))
	p.gate = make(chan struct{})
	c := start(t, nil)
	src := p.URL + "/disk.img"
	c.publish(wire.CacheSource{Src: src, SHA256: p.image.digest, SizeBytes: int64(len(p.image.bytes))})
	headers, _, code := curl(t, "-I", c.url(src))
	if says(t, headers, "200 OK", "content-length: 9437184", `etag: "sha256:`+p.image.digest+`"`, "accept-ranges: bytes"); code != 0 {
		t.Errorf("curl ended with %d", code)
	}
	if strings.Contains(strings.ToLower(headers), "x-withcache-sha256") {
		t.Error("it says that it has the whole image")
	}
	var work sync.WaitGroup
	first := make(chan struct{}, 10)
	asks := []string{c.url(src), c.url(src) + "?sha256=" + p.image.digest} // the latter as plans have it
	for i := range 10 {
		work.Go(func() {
			resp, err := http.Get(asks[i%2])
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			sum := sha256.New()
			_, err = io.CopyN(sum, resp.Body, 1<<20)
			first <- struct{}{}
			if err == nil {
				_, err = io.Copy(sum, resp.Body)
			}
			if got := hex.EncodeToString(sum.Sum(nil)); err != nil || got != p.image.digest {
				t.Errorf("%v, %s", err, got)
			}
		})
	}
	for range 10 {
		<-first // before the origin has given all of it
	}
	if n := len(c.status().Streams); n != 10 {
		t.Errorf("%d streams", n)
	}
	close(p.gate)
	work.Wait()
	if p.asked.Load() != 1 {
		t.Errorf("the origin was asked %d times", p.asked.Load())
	}
	c.held(p.image.digest)
	headers, body, code := curl(t, c.url(src)+"?sha256="+p.image.digest)
	if says(t, headers, "X-Withcache-Sha256: "+p.image.digest); code != 0 || hexOf([]byte(body)) != p.image.digest {
		t.Errorf("curl ended with %d", code)
	}
}

// What curl and the flasher ask of a server that they take a broken transfer up with.
func TestRanges(t *testing.T) {
	p := newPublisher(t, newImage(3<<20))
	c := start(t, nil)
	src := p.URL + "/disk.img"
	c.publish(wire.CacheSource{Src: src})
	url, all := c.url(src), string(p.image.bytes)
	if _, body, code := curl(t, url); code != 0 || body != all {
		t.Fatalf("curl ended with %d, %d bytes", code, len(body))
	}
	c.held(p.image.digest)
	tag := `"sha256:` + p.image.digest + `"`
	for _, tt := range []struct {
		args []string
		want string // of the status
		body string
		also string
	}{
		{[]string{"-r", "100-199"}, "206", all[100:200], "content-range: bytes 100-199/3145728"},
		{[]string{"-r", "-5"}, "206", all[len(all)-5:], "content-length: 5"},
		{[]string{"-r", "3145720-"}, "206", all[3145720:], "etag: " + tag},
		{[]string{"-r", "0-1,5-6"}, "200", all, "content-length: 3145728"},
		{[]string{"-H", "Range: items=0-1"}, "200", all, "content-length: 3145728"},
		{[]string{"-r", "3145728-"}, "416", "", "content-range: bytes */3145728"},
		{[]string{"-r", "-0"}, "416", "", "content-range: bytes */3145728"},
		{[]string{"-H", "If-None-Match: " + tag}, "304", "", "etag: " + tag},
		{[]string{"-H", `If-None-Match: "other"`}, "200", all, ""},
		{[]string{"-H", `If-Match: "other"`}, "412", "", ""},
		{[]string{"-H", "If-Match: " + tag}, "200", all, ""},
		{[]string{"-r", "7-9", "-H", "If-Range: " + tag}, "206", all[7:10], ""},
		{[]string{"-r", "7-9", "-H", `If-Range: "other"`}, "200", all, ""},
		{[]string{"-I", "-r", "7-9"}, "200", "", "content-length: 3145728"},
		{[]string{"-I"}, "200", "", "x-withcache-sha256: " + p.image.digest},
	} {
		headers, body, code := curl(t, append(tt.args, url)...)
		if tt.args[0] == "-I" {
			body = "" // curl prints the headers
		}
		if code != 0 || !strings.HasPrefix(headers, "HTTP/1.1 "+tt.want+" ") || body != tt.body {
			t.Errorf("%v: curl ended with %d, %d bytes:\n%s", tt.args, code, len(body), headers)
		}
		says(t, headers, tt.also)
	}
	half := filepath.Join(t.TempDir(), "half.img")
	if err := os.WriteFile(half, p.image.bytes[:1<<20], 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, code := curl(t, "-C", "-", "-o", half, url)
	if got, err := os.ReadFile(half); code != 0 || err != nil || hexOf(got) != p.image.digest {
		t.Errorf("curl -C -: %d, %v, %d bytes", code, err, len(got))
	}
}

// Neither a URL that looks allowed nor bytes other than those that were asked for are given.
func TestRefuses(t *testing.T) {
	p := newPublisher(t, newImage(1<<20))
	c := start(t, map[string]string{"BTY_CACHE_ALLOW": p.URL + "/open/"})
	src := p.URL + "/disk.img"
	c.publish(wire.CacheSource{Src: src, SHA256: p.image.digest})
	other := strings.Repeat("ab", 32)
	for url, want := range map[string]string{
		c.url(p.URL + "/other.img"):                           "403 this source is not in the catalog",
		c.url(p.URL + "/open/../disk.im"):                     "403 its path leads upwards",
		c.url("file:///etc/passwd"):                           `403 scheme "file" is not fetched`,
		c.url(src) + "?sha256=" + other:                       "409 the catalog has this image with the digest",
		c.url(src) + "?sha256=12":                             "400 sha256 is not a digest",
		fmt.Sprintf("http://127.0.0.1:%d/b/%%21%%21", c.port): "400 what follows /b/ is not",
		fmt.Sprintf("http://127.0.0.1:%d/blob", c.port):       "400 missing url",
		fmt.Sprintf("http://127.0.0.1:%d/blob?url=http://169.254.169.254/latest/meta-data", c.port): "403 this source is not",
	} {
		_, body, _ := curl(t, "-w", "%{http_code}", url)
		body, status := body[:len(body)-3], body[len(body)-3:]
		if code, text, _ := strings.Cut(want, " "); status != code || !strings.Contains(body, text) {
			t.Errorf("%s: %s %s, want %s", url, status, body, want)
		}
	}
	if p.asked.Load() != 0 {
		t.Errorf("the origin was asked %d times", p.asked.Load())
	}
	if _, body, code := curl(t, c.url(p.URL+"/open/sub/x.img?a=b")); code != 0 || hexOf([]byte(body)) != p.image.digest {
		t.Errorf("what [cache] allow names: curl ended with %d", code)
	}
	// The digest of a source without one, which nobody can know before all bytes are here.
	headers, body, _ := curl(t, c.url(p.URL+"/open/sub/x.img?a=b")+"?sha256="+other)
	if says(t, headers, "409 Conflict"); !strings.Contains(body, p.image.digest) || !strings.Contains(body, other) {
		t.Errorf("%.300s", body)
	}
	// One that is allowed and that the origin does not have is one miss for each who asked.
	p.cut.Store(true)
	for range 2 {
		if _, _, code := curl(t, "-f", c.url(p.URL+"/open/nothing.img")); code == 0 {
			t.Error("an image came of nothing")
		}
	}
	for _, m := range c.status().Misses {
		if strings.Contains(m.Src, "nothing.img") && (m.Count != 2 || !strings.Contains(m.Reason, "404")) {
			t.Errorf("%+v", m)
		}
	}
	for _, m := range c.status().Misses {
		if strings.Contains(m.Src, "passwd") && m.Count == 1 && strings.Contains(m.Reason, "not fetched") {
			return
		}
	}
	t.Errorf("the page would not show what was refused: %+v", c.status().Misses)
}

// HEAD and GET of what is not there in full are 404 for those who want withcache's ways.
func TestStrictMiss(t *testing.T) {
	p := newPublisher(t, newImage(1<<20))
	p.gate = make(chan struct{})
	c := start(t, map[string]string{"BTY_CACHE_STRICT_MISS": "true"})
	src := p.URL + "/disk.img"
	c.publish(wire.CacheSource{Src: src})
	for _, args := range [][]string{{"-I"}, {"-X", "GET"}} {
		headers, _, _ := curl(t, append(args, c.url(src))...)
		says(t, headers, "404 Not Found")
	}
	c.eventually("it is fetched meanwhile", func() bool { return p.asked.Load() == 1 })
	close(p.gate)
	c.held(p.image.digest)
	if headers, body, code := curl(t, c.url(src)); code != 0 || hexOf([]byte(body)) != p.image.digest {
		t.Errorf("curl ended with %d:\n%s", code, headers)
	}
	headers, _, _ := curl(t, "-I", c.url(src)+"?sha256="+strings.Repeat("cd", 32))
	says(t, headers, "409 Conflict") // other bytes are held, and none are fetched
}

// bty-web gives up after 3 s; an origin that says nothing is no image yet.
func TestSilentOrigin(t *testing.T) {
	p := newPublisher(t, newImage(1<<20))
	p.mute.Store(true)
	c := start(t, nil)
	c.publish(wire.CacheSource{Src: p.URL + "/disk.img"})
	begun := time.Now()
	headers, _, _ := curl(t, "-I", c.url(p.URL+"/disk.img"))
	if says(t, headers, "404 Not Found"); time.Since(begun) > 3*time.Second {
		t.Errorf("it took %v", time.Since(begun))
	}
}

// A transfer that fails ends short, never as if it were whole.
func TestBreaksOff(t *testing.T) {
	p := newPublisher(t, newImage(4<<20))
	p.cut.Store(true)
	c := start(t, nil)
	c.publish(wire.CacheSource{Src: p.URL + "/disk.img"})
	_, body, code := curl(t, c.url(p.URL+"/disk.img"))
	if code != 18 || len(body) >= len(p.image.bytes) || !bytes.HasPrefix(p.image.bytes, []byte(body)) { // CURLE_PARTIAL_FILE
		t.Errorf("curl ended with %d after %d bytes", code, len(body))
	}
	c.eventually("the journal tells", func() bool { return strings.Contains(c.log.String(), "image broke off") })
	if s := c.status(); len(s.Fills) != 1 || s.Fills[0].Status != wire.CacheFillFailed || !strings.Contains(s.Fills[0].Error, "404") {
		t.Errorf("%+v", s.Fills)
	}
}

// Bytes other than the published ones are never given to their end.
func TestWrongBytes(t *testing.T) {
	p := newPublisher(t, newImage(1<<20))
	c := start(t, nil)
	c.publish(wire.CacheSource{Src: p.URL + "/disk.img", SHA256: strings.Repeat("cd", 32)})
	_, body, code := curl(t, c.url(p.URL+"/disk.img"))
	if code == 0 && len(body) >= len(p.image.bytes) {
		t.Errorf("curl ended with %d after %d bytes", code, len(body))
	}
	if blobs := c.status().Blobs; len(blobs) != 0 {
		t.Errorf("it is held: %+v", blobs)
	}
}

// An origin that gives nothing, and says so with a length of 0, gives no image that has a digest: there is no
// byte that could be held back, so the answer itself has to be.
func TestEmpty(t *testing.T) {
	empty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") }))
	defer empty.Close()
	c := start(t, map[string]string{"BTY_CACHE_ALLOW": empty.URL + "/"})
	declared := empty.URL + "/declared.img"
	c.publish(wire.CacheSource{Src: declared, SHA256: strings.Repeat("cd", 32)})
	for _, tt := range []struct{ name, url, want string }{
		{"declared", c.url(declared), "409"},
		{"asked for", c.url(empty.URL+"/asked.img") + "?sha256=" + strings.Repeat("cd", 32), "409"},
		{"nobody knows better", c.url(empty.URL + "/allowed.img"), "200"},
	} {
		for _, method := range []string{"-I", "-s"} {
			if headers, _, code := curl(t, method, tt.url); code != 0 || !strings.HasPrefix(headers, "HTTP/1.1 "+tt.want+" ") {
				t.Errorf("%s, %s: curl ended with %d\n%s", tt.name, method, code, headers)
			}
		}
	}
}

// An origin that does not say how long an image is: one that is right ends, one that is wrong breaks off,
// although its reader was not told a length either.
func TestNoLength(t *testing.T) {
	img := newImage(1 << 20)
	open := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for part := range slices.Chunk(img.bytes, 64<<10) {
			_, _ = w.Write(part)
			w.(http.Flusher).Flush()
		}
	}))
	defer open.Close()
	c := start(t, nil)
	c.publish(wire.CacheSource{Src: open.URL + "/right.img", SHA256: img.digest}, wire.CacheSource{Src: open.URL + "/right.img?by=1.0"},
		wire.CacheSource{Src: open.URL + "/wrong.img?by=1.0", SHA256: strings.Repeat("cd", 32)}, wire.CacheSource{Src: open.URL + "/wrong.img", SHA256: strings.Repeat("cd", 32)})
	if _, body, code := curl(t, c.url(open.URL+"/wrong.img")); code == 0 || len(body) >= len(img.bytes) {
		t.Errorf("the wrong one: curl ended with %d after %d bytes", code, len(body))
	}
	// By HTTP/1.0 nobody could tell that it broke off: there is no first byte before the last is proven.
	if headers, body, code := curl(t, "--http1.0", c.url(open.URL+"/wrong.img?by=1.0")); code == 0 && strings.Contains(headers, " 200 ") {
		t.Errorf("the wrong one by HTTP/1.0: curl ended with %d after %d bytes\n%s", code, len(body), headers)
	}
	if headers, body, code := curl(t, c.url(open.URL+"/right.img")); code != 0 || hexOf([]byte(body)) != img.digest || strings.Contains(strings.ToLower(headers), "content-length") {
		t.Errorf("the right one: curl ended with %d after %d bytes\n%s", code, len(body), headers)
	}
	if headers, body, code := curl(t, "--http1.0", c.url(open.URL+"/right.img?by=1.0")); code != 0 || hexOf([]byte(body)) != img.digest || !strings.Contains(strings.ToLower(headers), "content-length: 1048576") {
		t.Errorf("the right one by HTTP/1.0: curl ended with %d after %d bytes\n%s", code, len(body), headers)
	}
	c.held(img.digest)
}

// The orders of bty-web, and what of them is there after a restart.
func TestControl(t *testing.T) {
	p := newPublisher(t, newImage(1<<20))
	c := start(t, nil)
	src := p.URL + "/disk.img"
	for _, tt := range []struct {
		method, path string
		body         any
		want         int
	}{
		{"POST", "/warm", wire.CacheSource{Src: src}, 403},
		{"PUT", "/sources", "nonsense", 400},
		{"PUT", "/sources", wire.CacheSources{Sources: []wire.CacheSource{{Src: src, SHA256: "12"}}}, 400},
		{"PUT", "/sources", wire.CacheSources{Sources: []wire.CacheSource{{Src: src, Name: "disk"}, {Src: "file:///x.img"}}}, 204},
		{"POST", "/warm", wire.CacheSource{Src: src}, 202},
		{"POST", "/pin", wire.CachePin{Src: src, Pinned: true}, 204},
		{"POST", "/pin", wire.CachePin{}, 400},
		{"POST", "/delete", wire.CacheRef{}, 400},
		{"POST", "/delete", wire.CacheRef{SHA256: "12"}, 400},
		{"POST", "/delete", wire.CacheRef{SHA256: strings.Repeat("ab", 32)}, 404},
		{"GET", "/warm", nil, 405},
		{"GET", "/none", nil, 404},
		{"PUT", "/sources", strings.Repeat("x", 16<<20), 413},
	} {
		if status, said := c.order(tt.method, tt.path, tt.body); status != tt.want || status >= 400 && status < 404 && !strings.Contains(said, `"detail"`) {
			t.Errorf("%s %s: %d %.200s, want %d", tt.method, tt.path, status, said, tt.want)
		}
	}
	c.held(p.image.digest)
	if err := c.end(syscall.SIGTERM); err != nil {
		t.Errorf("it ended with %v", err)
	}
	p.Close() // nothing is fetched again
	c.begin()
	if _, body, code := curl(t, c.url(src)); code != 0 || hexOf([]byte(body)) != p.image.digest {
		t.Errorf("after a restart: curl ended with %d", code)
	}
	if s := c.status(); len(s.Blobs) != 1 || !s.Blobs[0].Pinned || s.Problem != "" {
		t.Errorf("%+v", s)
	}
	if status, said := c.order("POST", "/delete", wire.CacheRef{Src: src}); status != 204 || len(c.status().Blobs) != 0 {
		t.Errorf("%d %s, %+v", status, said, c.status().Blobs)
	}
}

// A download goes on by range over a restart of the daemon, and over a kill.
func TestRestartInTheMiddle(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		p := newPublisher(t, newImage(8<<20))
		c := start(t, nil)
		src := p.URL + "/disk.img"
		c.publish(wire.CacheSource{Src: src, SHA256: p.image.digest})
		file := filepath.Join(t.TempDir(), "disk.img")
		get := func() int {
			_, _, code := curl(t, "-C", "-", "--limit-rate", "8M", "-o", file, c.url(src))
			return code
		}
		done := make(chan int)
		go func() {
			code := get()
			for tries := 0; code != 0 && tries < 50; tries++ {
				time.Sleep(100 * time.Millisecond)
				code = get()
			}
			done <- code
		}()
		c.eventually("the first bytes are there", func() bool { info, err := os.Stat(file); return err == nil && info.Size() > 1<<20 })
		if signal == syscall.SIGTERM {
			// The transfer has ten seconds; it needs one.
			if err := c.end(signal); err != nil {
				t.Errorf("it ended with %v", err)
			}
		} else {
			_ = c.end(signal)
		}
		c.begin()
		code := <-done
		if got, err := os.ReadFile(file); code != 0 || err != nil || hexOf(got) != p.image.digest {
			t.Errorf("%v: curl ended with %d, %v, %d bytes", signal, code, err, len(got))
		}
	}
}

// A reload takes up what it can, says what waits, and keeps what is in force when it fails.
func TestReload(t *testing.T) {
	p := newPublisher(t, newImage(1<<20))
	c := prepare(t, nil)
	file := filepath.Join(c.dir, "bty.toml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	c.vars["BTY_CONFIG_FILE"] = file
	c.begin()
	if headers, _, _ := curl(t, "-I", c.url(p.URL+"/disk.img")); !strings.Contains(headers, " 403 ") {
		t.Fatalf("it is allowed:\n%s", headers)
	}
	write("[cache]\nallow = '" + p.URL + "/'\nmax_fills = 2\n")
	out, err := c.program("reload").CombinedOutput()
	if err != nil || string(out) != "changed: [cache.allow cache.max_fills]; these wait for a restart of bty-cache: [cache.max_fills]\n" {
		t.Errorf("%v: %s", err, out)
	}
	if headers, _, _ := curl(t, "-I", c.url(p.URL+"/disk.img")); !strings.Contains(headers, " 200 ") {
		t.Errorf("it is not allowed:\n%s", headers)
	}
	write("[cache]\nallow = 'file:///'\n")
	status, said := c.order("POST", "/reload", nil)
	if status != 400 || !strings.Contains(said, "bty.toml:2") {
		t.Errorf("%d %s", status, said)
	}
	c.eventually("the journal tells", func() bool { return strings.Contains(c.log.String(), "reload failed") })
	if headers, _, _ := curl(t, "-I", c.url(p.URL+"/disk.img")); !strings.Contains(headers, " 200 ") {
		t.Errorf("a reload that failed has taken effect:\n%s", headers)
	}
}

// The other routes, and calls that cannot be understood.
func TestRoutes(t *testing.T) {
	c := start(t, map[string]string{"BTY_SERVER_PORT": "8081"})
	base := fmt.Sprintf("http://127.0.0.1:%d", c.port)
	for path, want := range map[string]string{
		"/": "http://127.0.0.1:8081/ui/images", "/healthz": "ok\n", "/readyz": "ready\n",
		"/metrics": "bty_cache_usable 1\n", "/other": "404 page not found",
	} {
		headers, body, code := curl(t, base+path)
		if code != 0 || !strings.Contains(headers+body, want) {
			t.Errorf("%s: %d\n%s%s", path, code, headers, body)
		}
	}
	// What checks health by HEAD (RFC 9110 9.3.2) is answered as by GET.
	for _, path := range []string{"/healthz", "/readyz"} {
		if headers, _, code := curl(t, "-I", base+path); code != 0 || !strings.Contains(headers, " 200 ") {
			t.Errorf("HEAD %s: %d\n%s", path, code, headers)
		}
	}
	for _, args := range [][]string{{"nonsense"}, {"--nonsense"}} {
		out, err := c.program(args...).CombinedOutput()
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 2 {
			t.Errorf("%v: %v %s", args, err, out)
		}
	}
	if out, err := c.program("--version").CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "bty-cache ") {
		t.Errorf("%v %s", err, out)
	}
	second := c.program()
	out, err := second.CombinedOutput()
	if err == nil || !strings.Contains(string(out), fmt.Sprintf("tcp port %d is in use", c.port)) || !strings.Contains(string(out), "[cache] port") {
		t.Errorf("a second one: %v %s", err, out)
	}
}
