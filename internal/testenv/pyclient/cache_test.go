package pyclient

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bty/internal/disk/looptest"
	"bty/internal/testenv/registry"
)

func buildCache(path string) error {
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path, "bty/cmd/bty-cache")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build bty-cache: %w\n%s", err, out)
	}
	return nil
}

// said is a log that may be read while it is written.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// newCachedWorld is a world with a cache between its machines and the images. It returns where the
// cache is.
func newCachedWorld(t *testing.T, settings ...string) (*world, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "c") // short: a socket's path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	address := freeAddress(t)
	host, port, _ := net.SplitHostPort(address)
	cmd := exec.Command(cacheProgram)
	cmd.Env = append([]string{"BTY_CACHE_HOST=" + host, "BTY_CACHE_PORT=" + port, "BTY_CACHE_DIR=" + dir + "/held", "BTY_PATHS_RUN_DIR=" + dir,
		"BTY_PATHS_STATE_DIR=" + dir + "/state", "BTY_CACHE_MIN_FREE=1M", "BTY_LOG_FORMAT=text"}, settings...)
	log := new(said)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("bty-cache said:\n%s", log)
		}
	})
	w := newWorld(t, append(settings, "BTY_WITHCACHE_URL=http://"+address, "BTY_PATHS_RUN_DIR="+dir)...)
	w.Eventually("bty-cache answers", func() bool {
		resp, err := http.Get("http://" + address + "/healthz")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	})
	return w, "http://" + address
}

// held is where the cache has a source, by the rule that clients know.
func held(cache, src, name string) string {
	return cache + "/b/" + base64.RawURLEncoding.EncodeToString([]byte(src)) + "/" + name
}

func status(t *testing.T, method, url string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

// isKnown waits until bty-web has told the cache of a source.
func (w *world) isKnown(cache, src string) {
	w.Helper()
	w.Eventually("the cache knows "+src, func() bool {
		resp, err := http.Head(held(cache, src, "x"))
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	})
}

// machines are more of them, each with a disk of its own, bound to the image of the first.
func (w *world) machines(t *testing.T, n int) []*world {
	t.Helper()
	first := w.Machine(w.mac)
	all := []*world{w}
	for i := 1; i < n; i++ {
		m := &world{Caller: w.Caller, images: w.images, serial: fmt.Sprintf("%s-%d", w.serial, i), mac: w.FreshMAC()}
		m.path, m.file = looptest.New(t, 8*mib, looptest.Options{})
		m.bind(first["boot_mode"].(string), first["bty_image_ref"])
		all = append(all, m)
	}
	return all
}

// A cold cache serves while it fills, a HEAD before and a GET without a range from every machine;
// the origin is read once, whoever comes when.
func TestThroughTheCache(t *testing.T) {
	t.Parallel()
	w, cache := newCachedWorld(t)
	raw := noise(6 * mib)
	published := packed(t, raw, "img.gz")
	w.images.pace = 20 * time.Millisecond // so that the fill takes longer than the requests
	w.publish("bty-flash-once", "debian.img.gz", published, hexSum(published))
	all := w.machines(t, 3)
	for _, m := range all {
		if !m.powerOn() {
			t.Fatal("the live environment is not started")
		}
	}
	w.isKnown(cache, w.images.URL+"/debian.img.gz")
	if _, header, _ := status(t, http.MethodHead, held(cache, w.images.URL+"/debian.img.gz", "x")); header.Get("X-Withcache-Sha256") != "" {
		t.Error("the cache is full already")
	}
	var wg sync.WaitGroup
	for _, m := range all {
		wg.Go(func() {
			if got := m.client().Run(t.Context()); got.Result != 0 || !got.Rebooted {
				t.Errorf("%s: %+v", m.mac, got)
			}
		})
	}
	wg.Wait()
	for _, m := range all {
		m.wantDisk(raw)
		if served, _ := m.Planned(m.mac)["withcache"].(map[string]any); served["hit"] != true || served["served_from"] != "withcache" {
			t.Errorf("%s: %v", m.mac, served)
		}
	}
	late := w.machines(t, 2)[1]
	late.powerOn()
	if got := late.client().Run(t.Context()); got.Result != 0 || !got.Rebooted {
		t.Errorf("from a full cache: %+v", got)
	}
	late.wantDisk(raw)
	if gets := gets(w, "/debian.img.gz"); gets != 1 {
		t.Errorf("the origin was read %d times: %q", gets, w.images.log("/debian.img.gz"))
	}
	code, header, _ := status(t, http.MethodHead, held(cache, w.images.URL+"/debian.img.gz", "x"))
	if code != 200 || header.Get("X-Withcache-Sha256") != hexSum(published) || header.Get("Content-Length") != fmt.Sprint(len(published)) {
		t.Errorf("HEAD: %d %v", code, header)
	}
}

func gets(w *world, path string) int {
	return len(slices.DeleteFunc(w.images.log(path), func(line string) bool { return !strings.HasPrefix(line, "GET ") }))
}

// As withcache did: what is not there is a 404, and the machine goes to the origin; the next one
// has it from the cache.
func TestStrictMiss(t *testing.T) {
	t.Parallel()
	w, cache := newCachedWorld(t, "BTY_CACHE_STRICT_MISS=true")
	raw := noise(6 * mib)
	published := packed(t, raw, "img.gz")
	w.images.pace = 20 * time.Millisecond
	w.publish("bty-flash-always", "debian.img.gz", published, hexSum(published))
	src := w.images.URL + "/debian.img.gz"
	w.Eventually("the cache knows the image", func() bool {
		code, _, _ := status(t, http.MethodHead, held(cache, src, "x"))
		return code == 404
	})
	w.powerOn()
	if got := w.Plan(w.mac)["image"]; got != src && !strings.HasPrefix(fmt.Sprint(got), cache) {
		t.Errorf("the plan names %v", got)
	}
	if got := w.client().Run(t.Context()); got.Result != 0 || !got.Rebooted {
		t.Fatalf("cold: %+v", got)
	}
	w.wantDisk(raw)
	w.Eventually("the cache is full", func() bool {
		code, _, _ := status(t, http.MethodHead, held(cache, src, "x"))
		return code == 200
	})
	w.images.forget()
	w.powerOn()
	if got := w.client().Run(t.Context()); got.Result != 0 || !got.Rebooted {
		t.Fatalf("warm: %+v", got)
	}
	w.wantDisk(raw)
	if n := gets(w, "/debian.img.gz"); n != 0 {
		t.Errorf("the origin was read %d times from a full cache", n)
	}
}

// An origin that takes its time, or says nothing: the plan is there within the client's 15 s, the probe of the image within its
// 30 s or the flash has failed, and the server hears of it.
func TestTimeLimits(t *testing.T) {
	t.Parallel()
	w, _ := newCachedWorld(t)
	raw := noise(3 * mib)
	published := packed(t, raw, "img.gz")
	w.images.delay("/late.img.gz", 5*time.Second)
	w.publish("bty-flash-always", "late.img.gz", published, hexSum(published))
	w.powerOn()
	begun := time.Now()
	if got := w.Plan(w.mac); got["mode"] != "flash" || time.Since(begun) > 15*time.Second {
		t.Errorf("the plan %v after %v", got, time.Since(begun))
	}
	if got := w.client().Run(t.Context()); got.Result != 0 || !got.Rebooted {
		t.Errorf("an image that comes late: %+v", got)
	}
	w.wantDisk(raw)
	w.images.delay("/mute.img.gz", time.Hour)
	src := w.images.put("/mute.img.gz", published)
	entry := w.Do("POST", "/catalog/entries", map[string]any{"image_url": src}).Is(201).Object()
	w.bind("bty-flash-always", entry["bty_image_ref"])
	w.powerOn()
	c := w.client()
	c.Hurry = 4 // 3.75 s for the plan, 7.5 s for the image
	failed := w.count("machine.flash_failed")
	if got := c.Run(t.Context()); got.Result != 3 || !strings.Contains(got.Why, "not reachable") {
		t.Errorf("an image that never comes: %+v", got)
	}
	if n := w.count("machine.flash_failed"); n != failed+1 {
		t.Errorf("%d failures were reported", n-failed)
	}
}

// Only what the catalog has is fetched, whatever a URL says.
func TestCacheIsNoProxy(t *testing.T) {
	t.Parallel()
	w, cache := newCachedWorld(t)
	stranger := w.images.put("/other.img", noise(mib))
	for _, src := range []string{stranger, "file:///etc/passwd", "http://169.254.169.254/latest", "ftp://h/x"} {
		code, _, body := status(t, http.MethodGet, held(cache, src, "x"))
		if code < 400 || code > 499 || strings.Contains(body, "root:") {
			t.Errorf("%s: %d %.100s", src, code, body)
		}
	}
	if asked := w.images.log("/other.img"); len(asked) != 0 {
		t.Errorf("the origin was asked %q", asked)
	}
}

// An image of a registry comes through the cache under a URL that has no suffix; the client takes
// the format of the plan, and asks no registry.
func TestRegistryThroughTheCache(t *testing.T) {
	t.Parallel()
	real := registry.Start(t, false)
	front := real.Front()
	raw := noise(6 * mib)
	published := packed(t, raw, "img.gz")
	real.Push("lab/disk", "v1", registry.Layer{Type: layerType, Title: "disk.img.gz", Content: string(published)})
	w, cache := newCachedWorld(t, "SSL_CERT_FILE="+front.CAs)
	src := "oras://" + front.Host + "/lab/disk:v1"
	entry := w.Do("POST", "/catalog/entries", map[string]any{"image_url": src}).Is(201).Object()
	w.bind("bty-flash-once", entry["bty_image_ref"])
	if !w.powerOn() {
		t.Fatal("the live environment is not started")
	}
	w.isKnown(cache, src)
	if image := w.Plan(w.mac)["image"]; !strings.HasPrefix(fmt.Sprint(image), held(cache, src, "disk%3Av1")) {
		t.Errorf("the plan names %v", image)
	}
	if got := w.client().Run(t.Context()); got.Result != 0 || !got.Rebooted {
		t.Fatalf("%+v", got)
	}
	w.wantDisk(raw)
	blobs := slices.DeleteFunc(front.Asked(), func(l string) bool { return !strings.HasPrefix(l, "GET ") || !strings.Contains(l, "/blobs/") })
	if len(blobs) > 2 { // a token is asked for at the second, at most
		t.Errorf("the registry was asked %q", blobs)
	}
	if slices.Contains(front.Asked(), "the object store was sent a token") {
		t.Error("the object store was sent a token")
	}
}

// A tag that moves after the catalog has read it: the plan's digest and the cache's bytes are those of
// the catalog. The cache before had the newer bytes, and every flash failed after it had been written.
func TestTagMovesUnderTheCache(t *testing.T) {
	t.Parallel()
	real := registry.Start(t, false)
	front := real.Front()
	raw := noise(3 * mib)
	published := packed(t, raw, "img.gz")
	real.Push("lab/disk", "rolling", registry.Layer{Type: layerType, Title: "disk.img.gz", Content: string(published)})
	w, cache := newCachedWorld(t, "SSL_CERT_FILE="+front.CAs)
	src := "oras://" + front.Host + "/lab/disk:rolling"
	entry := w.Do("POST", "/catalog/entries", map[string]any{"image_url": src}).Is(201).Object()
	real.Push("lab/disk", "rolling", registry.Layer{Type: layerType, Title: "disk.img.gz", Content: string(packed(t, noise(4*mib), "img.gz"))})
	w.isKnown(cache, src)
	for range 2 { // as it fills, and from what it holds
		w.bind("bty-flash-always", entry["bty_image_ref"])
		w.Do("POST", "/api/v1/machines/"+w.mac+"/arm", nil)
		w.powerOn()
		if got := w.client().Run(t.Context()); got.Result != 0 || !got.Rebooted {
			t.Fatalf("%+v", got)
		}
		w.wantDisk(raw)
		if plan := w.Planned(w.mac); fmt.Sprint(plan["withcache"]) == "" || !strings.Contains(fmt.Sprint(plan), "served_from:withcache") {
			t.Errorf("%v", plan)
		}
	}
}

// Two images whose addresses differ in the query alone are two images. The cache before kept one
// for both.
func TestQueriesAreKeptApart(t *testing.T) {
	t.Parallel()
	w, cache := newCachedWorld(t)
	one, two := noise(mib), noise(2*mib)
	byQuery := http.NewServeMux()
	byQuery.HandleFunc("GET /image.img", func(rw http.ResponseWriter, r *http.Request) {
		content := one
		if r.URL.Query().Get("build") == "2" {
			content = two
		}
		http.ServeContent(rw, r, "", time.Time{}, bytes.NewReader(content))
	})
	server := httptest.NewServer(byQuery)
	defer server.Close()
	for build, raw := range map[string][]byte{"1": one, "2": two} {
		src := server.URL + "/image.img?build=" + build
		sums := w.images.put("/"+build+".sha256", []byte(hexSum(raw)+"  image.img\n"))
		entry := w.Do("POST", "/catalog/entries", map[string]any{"image_url": src, "sha_url": sums}).Is(201).Object()
		w.isKnown(cache, src)
		w.bind("bty-flash-always", entry["bty_image_ref"])
		w.powerOn()
		if got := w.client().Run(t.Context()); got.Result != 0 || !got.Rebooted {
			t.Fatalf("build %s: %+v", build, got)
		}
		w.wantDisk(raw)
	}
}
