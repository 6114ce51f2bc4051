package withcache

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/catalog"
)

const src = "oras://ghcr.io/owner/repo:tag"

// cache is a server that counts what it is asked.
func cache(t *testing.T, answer http.HandlerFunc) (base string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func entry(src string) catalog.Entry { return catalog.Entry{Src: src} }

func at(base string) *Cache {
	return &Cache{Base: func() string { return base }, HTTP: &http.Client{}, Now: time.Now}
}

func TestAsk(t *testing.T) {
	base, _ := cache(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodHead || !strings.HasPrefix(r.URL.Path, "/b/"):
			http.Error(w, "unexpected", http.StatusTeapot)
		case strings.HasSuffix(r.URL.Path, "/repo:tag"):
			w.Header().Set("Content-Length", "5000000000")
		case strings.HasSuffix(r.URL.Path, "/moved.img"):
			http.Redirect(w, r, "/b/x/repo:tag", http.StatusFound)
		case strings.HasSuffix(r.URL.Path, "/partial.img"):
			w.WriteHeader(http.StatusPartialContent)
		default:
			http.NotFound(w, r)
		}
	})
	for name, want := range map[string]bool{src: true, "https://h/moved.img": true, "https://h/partial.img": false, "https://h/miss.img": false} {
		got := at(base+"/").Ask(t.Context(), entry(name), "web:8080")
		expected := catalog.Cached{Src: name, Configured: true, Hit: want}
		if want {
			expected.URL = catalog.CacheURL(base, name)
		}
		if got != expected {
			t.Errorf("%s: %+v, want %+v", name, got, expected)
		}
	}
	if got := at("").Ask(t.Context(), entry(src), ""); got != (catalog.Cached{Src: src}) {
		t.Errorf("without a cache: %+v", got)
	}
}

// A hundred machines that ask at one time are one probe.
func TestOneProbe(t *testing.T) {
	release := make(chan struct{})
	base, asked := cache(t, func(w http.ResponseWriter, _ *http.Request) { <-release })
	c := at(base)
	var work sync.WaitGroup
	var hits atomic.Int32
	for range 100 {
		work.Go(func() {
			if c.Ask(context.Background(), entry(src), "").Hit {
				hits.Add(1)
			}
		})
	}
	for asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond) // so that all have joined, or would show
	close(release)
	work.Wait()
	if hits.Load() != 100 || asked.Load() > 3 {
		t.Errorf("%d hits, %d probes", hits.Load(), asked.Load())
	}
}

// A cache that takes the connection and says nothing costs the first machine 3 s, and the next none.
func TestDeadCache(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	now := time.Now()
	c := at("http://" + l.Addr().String())
	c.Now = func() time.Time { return now }
	begun := time.Now()
	if got := c.Ask(t.Context(), entry(src), ""); got.Hit || !got.Configured {
		t.Errorf("%+v", got)
	}
	if took := time.Since(begun); took < probeTime/2 || took > 2*probeTime {
		t.Errorf("it took %v", took)
	}
	begun = time.Now()
	for range 100 {
		c.Ask(t.Context(), entry("https://h/other.img"), "")
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("the rest of the rack waited for %v", took)
	}
	now = now.Add(restTime)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c.Ask(ctx, entry(src), "") // is asked again, and a caller that goes away does not wait
	if c.rests(c.Base()) {
		t.Error("it is not asked again")
	}
}

func TestRefusedConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c := at(l.Addr().String())
	if got := c.Ask(t.Context(), entry(src), ""); got.Hit || !c.rests(c.Base()) {
		t.Errorf("%+v", got)
	}
	for i := range 3 * maxResting {
		c.rest(strings.Repeat("x", i))
	}
	if len(c.resting) > maxResting {
		t.Errorf("%d are remembered", len(c.resting))
	}
}
