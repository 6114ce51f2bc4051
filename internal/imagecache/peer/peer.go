// Package peer is a bty-cache for tests of what talks to it: its control socket and withcache's
// URLs, strictly by internal/wire/cache.go. A fetch ends when the test says so.
package peer

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bty/internal/wire"
)

// Cache is the cache. It has no image until one is filled.
type Cache struct {
	Socket string // path of its control socket
	Addr   string // host:port of withcache's URLs

	mu       sync.Mutex
	servers  []*http.Server
	sources  []wire.CacheSource
	puts     int // lists that were taken
	refuse   int // status for the next lists, 0 takes them
	warmed   []wire.CacheSource
	fills    []wire.CacheFill
	blobs    []wire.CacheBlob
	asked    []string // heads and gets, as METHOD source[ digest]
	statuses int
}

// Start serves on a socket at path and on a port of the loopback, until the test ends or Stop.
func Start(t testing.TB, path string) *Cache {
	t.Helper()
	c := &Cache{Socket: path}
	c.Start(t)
	t.Cleanup(c.Stop)
	return c
}

// Start begins again after Stop: another process, which knows nothing, at the same places.
func (c *Cache) Start(t testing.TB) {
	t.Helper()
	control, err := net.Listen("unix", c.Socket)
	if err != nil {
		t.Fatal(err)
	}
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	images, err := net.Listen("tcp", c.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Addr = images.Addr().String()
	c.sources, c.fills = nil, nil
	for l, h := range map[net.Listener]http.Handler{control: c.control(), images: http.HandlerFunc(c.image)} {
		server := &http.Server{Handler: h}
		c.servers = append(c.servers, server)
		go server.Serve(l)
	}
}

// Stop ends it as a stopped unit does: nobody listens.
func (c *Cache) Stop() {
	c.mu.Lock()
	servers := c.servers
	c.servers = nil
	c.mu.Unlock()
	for _, s := range servers {
		s.Close()
	}
}

// Sources is the list that was published last.
func (c *Cache) Sources() []wire.CacheSource {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sources)
}

// Puts is how many lists were taken.
func (c *Cache) Puts() int { c.mu.Lock(); defer c.mu.Unlock(); return c.puts }

// Refuse has lists refused with this status, 0 for none.
func (c *Cache) Refuse(status int) { c.mu.Lock(); defer c.mu.Unlock(); c.refuse = status }

// Warmed is what was asked to be fetched, in order.
func (c *Cache) Warmed() []wire.CacheSource {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.warmed)
}

// Asked is what was asked for by URL.
func (c *Cache) Asked() []string { c.mu.Lock(); defer c.mu.Unlock(); return slices.Clone(c.asked) }

// Fill completes a source with these bytes.
func (c *Cache) Fill(src, sha256 string, size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fills = slices.DeleteFunc(c.fills, func(f wire.CacheFill) bool { return f.Src == src })
	at := wire.IsoTime(time.Now())
	c.blobs = append(c.blobs, wire.CacheBlob{SHA256: sha256, SizeBytes: size, Sources: []string{src}, FetchedAt: at, UsedAt: at})
}

// Fail ends the fetch of a source.
func (c *Cache) Fail(src, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fills = slices.DeleteFunc(c.fills, func(f wire.CacheFill) bool { return f.Src == src })
	c.fills = append(c.fills, wire.CacheFill{Src: src, Status: wire.CacheFillFailed, Attempts: 3, StartedAt: wire.IsoTime(time.Now()), Error: why})
}

// Moved says that the origin of a source has other bytes now.
func (c *Cache) Moved(src string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.blobs {
		if slices.Contains(c.blobs[i].Sources, src) {
			c.blobs[i].Moved = true
		}
	}
}

func (c *Cache) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", c.status)
	mux.HandleFunc("PUT /sources", c.publish)
	mux.HandleFunc("POST /warm", c.warm)
	mux.HandleFunc("POST /pin", c.pin)
	mux.HandleFunc("POST /delete", c.delete)
	return mux
}

func refuse(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"detail": detail})
}

func read(w http.ResponseWriter, r *http.Request, v any) bool {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil || r.Header.Get("Content-Type") != "application/json" {
		refuse(w, http.StatusBadRequest, "malformed")
		return false
	}
	return true
}

func (c *Cache) status(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statuses++
	s := wire.CacheStatus{Version: "peer", LimitBytes: 100 << 30, FreeBytes: 50 << 30, Blobs: append([]wire.CacheBlob{}, c.blobs...),
		Fills: append([]wire.CacheFill{}, c.fills...), Streams: []wire.CacheStream{}, Misses: []wire.CacheMiss{}}
	for _, b := range c.blobs {
		s.HeldBytes += b.SizeBytes
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s)
}

func (c *Cache) publish(w http.ResponseWriter, r *http.Request) {
	var list wire.CacheSources
	if !read(w, r, &list) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != 0 {
		refuse(w, c.refuse, "ordered by the test")
		return
	}
	c.sources, c.puts = list.Sources, c.puts+1
	w.WriteHeader(http.StatusNoContent)
}

func (c *Cache) known(src string) (wire.CacheSource, bool) {
	i := slices.IndexFunc(c.sources, func(s wire.CacheSource) bool { return s.Src == src })
	if i < 0 {
		return wire.CacheSource{}, false
	}
	return c.sources[i], true
}

// fetch begins a fetch, unless the bytes are there or on their way. c.mu is held.
func (c *Cache) fetch(s wire.CacheSource) {
	isThere := slices.ContainsFunc(c.blobs, func(b wire.CacheBlob) bool {
		return slices.Contains(b.Sources, s.Src) && (s.SHA256 == "" || s.SHA256 == b.SHA256)
	})
	c.fills = slices.DeleteFunc(c.fills, func(f wire.CacheFill) bool { return f.Src == s.Src && f.Status == wire.CacheFillFailed })
	isOnItsWay := slices.ContainsFunc(c.fills, func(f wire.CacheFill) bool { return f.Src == s.Src })
	if !isThere && !isOnItsWay {
		total := s.SizeBytes
		c.fills = append(c.fills, wire.CacheFill{Src: s.Src, SHA256: s.SHA256, Status: wire.CacheFillRunning, BytesDone: total / 4, BytesTotal: &total, Attempts: 1, StartedAt: wire.IsoTime(time.Now())})
	}
}

func (c *Cache) warm(w http.ResponseWriter, r *http.Request) {
	var s wire.CacheSource
	if !read(w, r, &s) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.known(s.Src); !ok {
		refuse(w, http.StatusForbidden, s.Src+" is not an allowed source")
		return
	}
	c.warmed = append(c.warmed, s)
	c.fetch(s)
	w.WriteHeader(http.StatusAccepted)
}

func (c *Cache) pin(w http.ResponseWriter, r *http.Request) {
	var p wire.CachePin
	if !read(w, r, &p) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.blobs {
		if slices.Contains(c.blobs[i].Sources, p.Src) {
			c.blobs[i].Pinned = p.Pinned
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	refuse(w, http.StatusNotFound, p.Src+" is not held")
}

func (c *Cache) delete(w http.ResponseWriter, r *http.Request) {
	var ref wire.CacheRef
	if !read(w, r, &ref) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.blobs) + len(c.fills)
	c.blobs = slices.DeleteFunc(c.blobs, func(b wire.CacheBlob) bool { return b.SHA256 == ref.SHA256 || slices.Contains(b.Sources, ref.Src) })
	c.fills = slices.DeleteFunc(c.fills, func(f wire.CacheFill) bool { return f.Src == ref.Src || ref.SHA256 != "" && f.SHA256 == ref.SHA256 })
	if len(c.blobs)+len(c.fills) == before {
		refuse(w, http.StatusNotFound, "it is not held")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// image answers withcache's URLs as far as a probe needs it: 200 once the length is known, 409 for
// other bytes than the digest that is asked for, 404 for what is no source.
func (c *Cache) image(w http.ResponseWriter, r *http.Request) {
	token, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/b/"), "/")
	raw, err := base64.RawURLEncoding.DecodeString(token)
	src, digest := string(raw), r.URL.Query().Get("sha256")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, strings.TrimSpace(r.Method+" "+src+" "+digest))
	s, ok := c.known(src)
	if s.SHA256 != "" {
		w.Header().Set("ETag", `"sha256:`+s.SHA256+`"`)
	}
	switch {
	case err != nil || !ok:
		refuse(w, http.StatusNotFound, "not an allowed source")
	case digest != "" && digest != s.SHA256:
		refuse(w, http.StatusConflict, "other bytes")
	default:
		c.fetch(s)
	}
}
