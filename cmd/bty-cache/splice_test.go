package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"bty/internal/origin"
	"bty/internal/wire"
)

// changing is an origin whose first answer stops in the middle, until it is cut.
type changing struct {
	mu    sync.Mutex
	data  []byte
	etag  string
	asked int
	cut   chan struct{}
}

func (o *changing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	data, etag := o.data, o.etag
	o.asked++
	first := o.asked == 1
	o.mu.Unlock()
	w.Header().Set("ETag", etag)
	if !first {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(data)))
	w.Write(data[:len(data)/2])
	w.(http.Flusher).Flush()
	<-o.cut
	panic(http.ErrAbortHandler)
}

// A reader of an image without a digest, whose transfer breaks, goes on with the same bytes or learns
// that they are others; the old and the new are never joined, however much alike they look.
func TestNeverJoinsTwoImages(t *testing.T) {
	old, now := newImage(4<<20).bytes, make([]byte, 4<<20)
	for name, change := range map[string]bool{"the origin changed": true, "the cache was killed": false} {
		t.Run(name, func(t *testing.T) {
			o := &changing{data: old, etag: `"one"`, cut: make(chan struct{})}
			srv := httptest.NewServer(o)
			t.Cleanup(srv.Close)
			c := start(t, map[string]string{"BTY_CACHE_ALLOW": srv.URL + "/"})
			r, err := origin.Open(t.Context(), c.url(srv.URL+"/disk.img"), origin.Options{FirstPause: 50 * time.Millisecond, MaxPause: 200 * time.Millisecond, Attempts: 50})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			begun := make([]byte, 1<<20)
			if _, err := io.ReadFull(r, begun); err != nil {
				t.Fatal(err)
			}
			if change {
				o.mu.Lock()
				o.data, o.etag = now, `"two"`
				o.mu.Unlock()
				close(o.cut)
			} else {
				_ = c.end(syscall.SIGKILL)
				close(o.cut)
				c.begin()
			}
			rest, err := io.ReadAll(r)
			if change && !errors.Is(err, origin.ErrChanged) {
				t.Errorf("%d bytes after the change, %v", len(rest), err)
			}
			if got := append(begun, rest...); !change && (err != nil || !bytes.Equal(got, old)) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

// A reader of parts of an image without a digest, as of a qcow2 whose clusters are anywhere, is not told that it
// changed when all of it is here and its digest is known.
func TestPartsBeforeAndAfter(t *testing.T) {
	p := newPublisher(t, newImage(4<<20))
	p.gate = make(chan struct{})
	open := sync.OnceFunc(func() { close(p.gate) })
	t.Cleanup(open)
	c := start(t, nil)
	tagged := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		p.ServeHTTP(w, r)
	}))
	t.Cleanup(tagged.Close)
	t.Cleanup(open)
	src := tagged.URL + "/disk.qcow2"
	c.publish(wire.CacheSource{Src: src})
	r, err := origin.Open(t.Context(), c.url(src), origin.Options{FirstPause: 50 * time.Millisecond, Attempts: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	part := make([]byte, 100_000)
	for _, off := range []int{0, 3 << 20} {
		if off > 0 {
			open()
			c.held(p.image.digest)
		}
		if n, err := r.At().ReadAt(part, int64(off)); err != nil || !bytes.Equal(part[:n], p.image.bytes[off:off+len(part)]) {
			t.Errorf("at %d: %d bytes, %v", off, n, err)
		}
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, p.image.bytes) {
		t.Errorf("the whole: %d bytes, %v", len(got), err)
	}
}
