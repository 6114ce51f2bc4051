package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bty/internal/client"
	"bty/internal/testenv/registry"
	"bty/internal/wire"
)

// cacheProgram is bty-cache, built once.
var cacheProgram = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "bty-cache-")
	if err != nil {
		return "", err
	}
	built = dir
	out, err := exec.Command("go", "build", "-o", dir, "bty/cmd/bty-cache").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return filepath.Join(dir, "bty-cache"), nil
})

var built string // folder of cacheProgram

// realCache is bty-cache as a process beside a bty-web.
type realCache struct {
	testing.TB
	env []string
	cmd *exec.Cmd
	log *logBuffer
}

// besideRealCache starts bty-web and the cache of its host, both as they are.
func besideRealCache(t testing.TB, vars map[string]string) (*appliance, *realCache) {
	t.Helper()
	set := map[string]string{"BTY_CACHE_PORT": strconv.Itoa(freePort(t)), "BTY_CACHE_HOST": "127.0.0.1", "BTY_BOOT_MAX_ATTEMPTS": "1000"}
	for name, value := range vars {
		set[name] = value
	}
	a := prepare(t, set)
	c := &realCache{TB: t, log: &logBuffer{}, env: []string{"BTY_CACHE_DIR=" + filepath.Join(t.TempDir(), "cache"), "BTY_CACHE_MIN_FREE=0", "BTY_LOG_FORMAT=text",
		"BTY_CONFIG_FILE=" + filepath.Join(filepath.Dir(a.state), "none.toml")}}
	for name, value := range a.vars {
		c.env = append(c.env, name+"="+value)
	}
	if err := os.MkdirAll(a.run, 0o755); err != nil {
		t.Fatal(err)
	}
	a.begin()
	c.begin()
	t.Cleanup(func() { c.end(syscall.SIGTERM) })
	soon(t, "the cache is there", func() bool { return a.do("GET", "/api/v1/cache", nil).object(t)["here"] == true && a.cacheURL() != "" })
	return a, c
}

// cacheURL is where machines are sent, "" for to the origins.
func (a *appliance) cacheURL() string {
	a.Helper()
	url, _ := a.do("GET", "/api/v1/cache", nil).object(a)["url"].(string)
	return url
}

func (c *realCache) begin() {
	c.Helper()
	program, err := cacheProgram()
	if err != nil {
		c.Fatal(err)
	}
	c.cmd = exec.Command(program)
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = c.env, c.log, c.log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.cmd.Start(); err != nil {
		c.Fatal(err)
	}
}

func (c *realCache) end(signal syscall.Signal) {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Signal(signal)
	_ = c.cmd.Wait()
	c.cmd = nil
}

// countingOrigin has one image, gives it no faster than a rate, and counts what it gave.
type countingOrigin struct {
	*httptest.Server
	image      []byte
	gets, sent atomic.Int64
}

func newCountingOrigin(t testing.TB, size int, took time.Duration) *countingOrigin {
	o := &countingOrigin{image: make([]byte, size)}
	_, _ = rand.NewChaCha8([32]byte{1}).Read(o.image)
	sums := fmt.Sprintf("%x  rack.img\n", sha256.Sum256(o.image))
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/SHA256SUMS":
			fmt.Fprint(w, sums)
		case r.URL.Path != "/rack.img":
			http.NotFound(w, r)
		default:
			if r.Method == http.MethodGet {
				o.gets.Add(1)
			}
			w.Header().Set("ETag", `"one"`)
			http.ServeContent(w, r, "rack.img", time.Time{}, &pacedReader{bytes.NewReader(o.image), o, took / time.Duration(size>>16)})
		}
	}))
	t.Cleanup(o.Close)
	return o
}

// pacedReader gives 64 KiB at a time, with a pause after each.
type pacedReader struct {
	*bytes.Reader
	o     *countingOrigin
	pause time.Duration
}

func (p *pacedReader) Read(to []byte) (int, error) {
	n, err := p.Reader.Read(to[:min(len(to), 64<<10)])
	p.o.sent.Add(int64(n))
	time.Sleep(p.pause)
	return n, err
}

// WriteTo would be all at once.
func (p *pacedReader) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{p}) }

// fetchPlan is a live environment that asks for its plan and reads the image that it names.
func (a *appliance) fetchPlan(mac string) (plan map[string]any, sum string, err error) {
	r, err := a.try("GET", "/pxe/"+mac+"/plan", nil, nil, "")
	if err != nil {
		return nil, "", err
	}
	plan = r.object(a)
	url, _ := plan["image"].(string)
	answer, err := http.Get(url)
	if err != nil {
		return plan, "", err
	}
	defer answer.Body.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, answer.Body); err != nil || answer.StatusCode != 200 {
		return plan, "", fmt.Errorf("GET %s: %s: %v", url, answer.Status, err)
	}
	return plan, fmt.Sprintf("%x", hash.Sum(nil)), nil
}

// Sixteen machines that boot together get a cold image through the cache, each whole and right, and
// its origin is asked once.
func TestRackThroughTheRealCache(t *testing.T) {
	t.Parallel()
	o := newCountingOrigin(t, 16<<20, time.Second)
	a, c := besideRealCache(t, nil)
	entry := a.do("POST", "/catalog/entries", map[string]any{"image_url": o.URL + "/rack.img", "sha_url": o.URL + "/SHA256SUMS"}).is(t, 201).object(t)
	a.do("PUT", "/api/v1/rules/default", jsonText(fmt.Sprintf(`{"boot_mode":"bty-flash-once","bty_image_ref":%q}`, entry["bty_image_ref"]))).is(t, 200)
	want := entry["disk_image_sha"].(string)
	soon(t, "the cache fetches it before a machine asks", func() bool { return o.gets.Load() == 1 })
	var work sync.WaitGroup
	for i := range 16 {
		mac := fmt.Sprintf("52:54:00:00:01:%02x", i)
		put(a, mac, fmt.Sprintf(`{"boot_mode":"bty-flash-once","bty_image_ref":%q,"target_disk_serial":"S"}`, entry["bty_image_ref"]))
		work.Go(func() {
			plan, sum, err := a.fetchPlan(mac)
			if err != nil || sum != want || plan["disk_image_sha"] != want || !strings.Contains(plan["image"].(string), "/b/") {
				t.Errorf("%s: %v, %s, %v", mac, plan, sum, err)
			}
		})
	}
	work.Wait()
	if gets, sent := o.gets.Load(), o.sent.Load(); gets != 1 || sent != int64(len(o.image)) {
		t.Errorf("the origin was asked %d times and sent %d bytes of an image of %d", gets, sent, len(o.image))
	}
	soon(t, "that it is there is an event", func() bool { return a.count("kind=cache.filled") == 1 })

	// The cache dies: machines are sent to the origin, and back when it has come back with its image.
	c.end(syscall.SIGKILL)
	if plan, sum, err := a.fetchPlan("52:54:00:00:01:00"); err != nil || sum != want || plan["image"] != o.URL+"/rack.img" {
		t.Errorf("while the cache is dead: %v, %s, %v", plan, sum, err)
	}
	c.begin()
	soon(t, "machines are sent to the cache again", func() bool { return strings.Contains(a.planOf("52:54:00:00:01:00")["image"].(string), "/b/") })
	before := o.gets.Load()
	if _, sum, err := a.fetchPlan("52:54:00:00:01:00"); err != nil || sum != want || o.gets.Load() != before {
		t.Errorf("after the cache came back: %s, %v, %d fetches", sum, err, o.gets.Load()-before)
	}
}

func (a *appliance) planOf(mac string) map[string]any {
	a.Helper()
	return a.anonymous("GET", "/pxe/"+mac+"/plan", nil).is(a, 200).object(a)
}

// The bytes of a tag come through the cache as the plan says: the old ones while a pinned tag has
// moved, or a rolling one is not there yet; the new ones afterwards. A plan is true as long as
// somebody works by it.
func TestTagThroughTheRealCache(t *testing.T) {
	reg := registry.Start(t, false)
	a, _ := besideRealCache(t, lookAtTags(reg))
	one := a.tagged(t, reg)
	fetches := func(what, content string) (url string) {
		t.Helper()
		plan, sum, err := a.fetchPlan(mac1)
		if err != nil || sum != sha(content) || plan["disk_image_sha"] != sum || !strings.HasSuffix(plan["image"].(string), "?sha256="+sum) {
			t.Errorf("%s: %v, %s, %v", what, plan, sum, err)
		}
		return plan["image"].(string)
	}
	soon(t, "machines are sent to the cache", func() bool { return strings.Contains(a.plan()["image"].(string), "/b/") })
	fetches("as it was added", "first")
	a.dropsAFetch(one.src)
	one.push("second")
	soon(t, "the move is seen", func() bool { return one.next() == sha("second") })
	old := fetches("pinned, and moved", "first")
	a.do("PUT", one.at, map[string]any{"rolling": true}).is(t, 200)
	soon(t, "it rolls", func() bool { return one.image()["disk_image_sha"] == sha("second") })
	soon(t, "machines are sent to the cache for the new bytes", func() bool { return strings.HasSuffix(a.plan()["image"].(string), "?sha256="+sha("second")) })
	fetches("rolled", "second")
	answer, err := http.Get(old)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if raw, _ := io.ReadAll(answer.Body); answer.StatusCode != 200 || string(raw) != "first" {
		t.Errorf("a machine that works by an older plan: %s %s", answer.Status, raw)
	}
}

// dropsAFetch has the cache try for bytes that nobody has and then give that up: what it holds of the
// same source stays.
func (a *appliance) dropsAFetch(src string) {
	a.Helper()
	bogus := strings.Repeat("0f", 32)
	cache := client.NewCache(filepath.Join(a.run, "cache.sock"), "test")
	defer cache.Close()
	if err := cache.Warm(context.Background(), wire.CacheSource{Src: src, SHA256: bogus, SizeBytes: 9}); err != nil {
		a.Fatal(err)
	}
	status := func() wire.CacheStatus {
		a.Helper()
		s, err := cache.Status(context.Background())
		if err != nil {
			a.Fatal(err)
		}
		return s
	}
	soon(a, "it fails", func() bool {
		f := status().Fills
		return len(f) == 1 && f[0].Status == wire.CacheFillFailed && f[0].SHA256 == bogus
	})
	a.do("POST", "/api/v1/cache/delete", map[string]any{"sha256": bogus}).is(a, 204)
	if s := status(); len(s.Fills) != 0 || len(s.Blobs) != 1 {
		a.Errorf("%+v", s)
	}
}
