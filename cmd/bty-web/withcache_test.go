package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"bty/internal/catalog"
)

// imageCache is a cache that has what is in it and writes down what it was asked.
type imageCache struct {
	url string

	mu    sync.Mutex
	has   map[string]bool // by path
	asked []string
}

func newImageCache(t *testing.T) *imageCache {
	c := &imageCache{has: map[string]bool{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked = append(c.asked, r.Method+" "+r.URL.EscapedPath())
		if !c.has[r.URL.EscapedPath()] {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *imageCache) fill(src string) (url string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	url = catalog.CacheURL(c.url, src)
	c.has[strings.TrimPrefix(url, c.url)] = true
	return url
}

func (c *imageCache) requests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string{}, c.asked...)
}

// A plan leads to the cache once that has the image, and to the origin until then.
func TestPlanFromTheCache(t *testing.T) {
	c := newImageCache(t)
	a := start(t, map[string]string{"BTY_WITHCACHE_URL": c.url + "/"})
	src := bind(a, "bty-flash-always")["src"].(string)
	used := func() map[string]any { return a.offered("netboot.pxe.plan")["withcache"].(map[string]any) }
	if got := a.plan()["image"]; got != src {
		t.Errorf("on a miss: %v", got)
	}
	if u := used(); u["configured"] != true || u["hit"] != false || u["served_from"] != "origin" {
		t.Errorf("%v", u)
	}
	cached := c.fill(src)
	plan := a.plan()
	if plan["image"] != cached || plan["disk_image_sha"] != strings.Repeat("cd", 32) || plan["name"] != "debian-x86_64.img.zst" {
		t.Errorf("on a hit: %v", plan)
	}
	if u := used(); u["configured"] != true || u["hit"] != true || u["served_from"] != "withcache" {
		t.Errorf("%v", u)
	}
	a.live()
	a.script() // asks nobody
	put(a, mac1, `{"boot_mode":"bty-inventory"}`)
	a.plan() // neither does what flashes nothing
	if got, want := c.requests(), "HEAD "+strings.TrimPrefix(cached, c.url); len(got) != 2 || got[0] != want || got[1] != want {
		t.Errorf("the cache was asked %q", got)
	}
}

// A cache that says nothing costs one machine 3 s, and the others nothing.
func TestPlanBesideADeadCache(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a := start(t, map[string]string{"BTY_WITHCACHE_URL": "http://" + l.Addr().String(), "BTY_BOOT_MAX_ATTEMPTS": "1000"})
	src := bind(a, "bty-flash-always")["src"]
	begun := time.Now()
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() {
			r, err := a.try("GET", "/pxe/"+mac1+"/plan", nil, nil, "")
			if err != nil || r.StatusCode != 200 {
				t.Errorf("%v %v", r.Response, err)
			}
		})
	}
	work.Wait()
	if got := a.plan()["image"]; got != src {
		t.Errorf("%v", got)
	}
	if took := time.Since(begun); took > 6*time.Second {
		t.Errorf("21 plans took %v", took)
	}
	if u := a.offered("netboot.pxe.plan")["withcache"].(map[string]any); u["hit"] != false || u["served_from"] != "origin" {
		t.Errorf("%v", u)
	}
}

// The catalog leads to the cache without asking it; /images does not.
func TestCatalogThroughTheCache(t *testing.T) {
	c := newImageCache(t)
	a := start(t, map[string]string{"BTY_WITHCACHE_URL": c.url})
	src := bind(a, "ipxe-exit")["src"].(string)
	a.anonymous("GET", "/catalog.toml", nil).is(t, 200, `src = "`+catalog.CacheURL(c.url, src)+`"`)
	a.anonymous("GET", "/images", nil).is(t, 200, `"url":"`+src+`"`)
	if got := c.requests(); len(got) != 0 {
		t.Errorf("the cache was asked %q", got)
	}
}
