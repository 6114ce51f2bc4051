package fill

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"bty/internal/oras"
	"bty/internal/testenv/registry"
)

// way is what stands between the cache and a registry: it notes the ranges of blobs that are asked
// for, and cuts the first answers off.
type way struct {
	host string

	mu     sync.Mutex
	cuts   int // how many answers
	ranges []string
	others int // requests for something else
}

func newWay(t *testing.T, to string) *way {
	w := &way{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: to})
	proxy.FlushInterval = -1 // at once
	proxy.ModifyResponse = func(resp *http.Response) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if resp.Request.Method != http.MethodGet || !strings.Contains(resp.Request.URL.Path, "/blobs/") {
			w.others++
			return nil
		}
		w.ranges = append(w.ranges, resp.Request.Header.Get("Range"))
		if w.cuts > 0 {
			w.cuts--
			resp.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(io.LimitReader(resp.Body, 600000), stuck{resp.Request}), resp.Body}
		}
		return nil
	}
	srv := httptest.NewServer(proxy)
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections)
	w.host = strings.TrimPrefix(srv.URL, "http://")
	return w
}

// stuck gives nothing for as long as somebody waits.
type stuck struct{ *http.Request }

func (s stuck) Read([]byte) (int, error) {
	<-s.Context().Done()
	return 0, s.Context().Err()
}

func (w *way) asked() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.ranges...)
}

func push(r *registry.Registry, data []byte) (manifest string) {
	return r.Push("lab/image", "v1", registry.Layer{Type: "application/octet-stream", Title: "disk.img", Content: string(data)})
}

func withRegistry(cfg Config, host string) Config {
	cfg.Origin.Registry = &oras.Client{PlainHTTP: []string{host}}
	return cfg
}

// A tag that moves, whoever follows it.
func TestTag(t *testing.T) {
	old, now := noise(1, 700000), noise(2, 500000)
	r := registry.Start(t, false)
	push(r, old)
	cfg := withRegistry(quick(t, t.TempDir()), r.Host)
	cfg.Recheck = 30 * time.Millisecond
	c, _ := run(t, cfg)
	src := Source{Src: "oras://" + r.Host + "/lab/image:v1"}
	h := open(t, c, src)
	if info, err := h.Info(t.Context()); err != nil || info.Size != 700000 || info.Digest != digest(old) {
		t.Errorf("%+v, %v", info, err)
	}
	wants(t, c, src, old)
	push(r, now)
	eventually(t, func() bool { s := c.Status(); return len(s.Blobs) == 1 && s.Blobs[0].Moved })
	wants(t, c, src, old)
	src.Rolling = true
	wants(t, c, src, old)
	eventually(t, func() bool { i, _ := c.Held(src); return i.Digest == digest(now) })
	wants(t, c, src, now)
	// The catalog may stay with the old one, which the registry still has.
	src.Digest = digest(old)
	wants(t, c, src, old)
	src.Digest = digest([]byte("other"))
	breaks(t, c, src, old, ErrOrigin)
}

// A registry is asked again where a tag leads, and never what a digest is.
func TestDigestsAreNotRechecked(t *testing.T) {
	data := noise(1, 1000)
	r := registry.Start(t, false)
	pushed := push(r, data)
	for reference, looks := range map[string]bool{":v1": true, "@" + pushed: false, "@sha256:" + digest(data).String(): false} {
		w := newWay(t, r.Host)
		cfg := withRegistry(quick(t, t.TempDir()), w.host)
		cfg.Recheck = 5 * time.Millisecond
		c, _ := run(t, cfg)
		src := Source{Src: "oras://" + w.host + "/lab/image" + reference}
		wants(t, c, src, data)
		eventually(t, func() bool { return len(c.Status().Fills) == 0 })
		first := w.looked()
		for range 20 {
			wants(t, c, src, data)
			time.Sleep(5 * time.Millisecond)
		}
		if again := w.looked() > first; again != looks {
			t.Errorf("%s: asked again: %t", reference, again)
		}
	}
}

func (w *way) looked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.others
}

// A blob goes on in the next process, if the tag still leads to it.
func TestTagGoesOnAfterRestart(t *testing.T) {
	data, other := noise(1, 1<<20), noise(2, 1<<20)
	for _, moved := range []bool{false, true} {
		t.Run(map[bool]string{false: "same", true: "moved"}[moved], func(t *testing.T) {
			r := registry.Start(t, false)
			push(r, data)
			w := newWay(t, r.Host)
			w.cuts = 1
			dir, src := t.TempDir(), Source{Src: "oras://" + w.host + "/lab/image:v1"}
			c, stop := run(t, withRegistry(quick(t, dir), w.host))
			h := open(t, c, src)
			var got bytes.Buffer
			if _, err := h.CopyTo(t.Context(), &got, 0, 600000); err != nil || !bytes.Equal(got.Bytes(), data[:600000]) {
				t.Fatal(err)
			}
			stop()
			want, ranges := data, "bytes=600000-"
			if moved {
				push(r, other)
				want, ranges = other, ""
			}
			c, _ = run(t, withRegistry(quick(t, dir), w.host))
			wants(t, c, src, want)
			if asked := w.asked(); len(asked) != 2 || asked[1] != ranges {
				t.Errorf("asked for %q", asked)
			}
		})
	}
}
