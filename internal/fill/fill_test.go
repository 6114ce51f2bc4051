package fill

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"bty/internal/catalog"
	"bty/internal/origin"
	"bty/internal/wire"
)

// run starts a cache that stops when the test ends, or when stop is called.
func run(t *testing.T, cfg Config) (c *Cache, stop func()) {
	c = New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return c, stop
}

func open(t *testing.T, c *Cache, src Source) *Handle {
	t.Helper()
	h, err := c.Open(t.Context(), src, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// read reads all of an image.
func read(t *testing.T, c *Cache, src Source) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	h, err := c.Open(ctx, src, "test")
	if err != nil {
		return nil, err
	}
	defer h.Close()
	var got bytes.Buffer
	_, err = h.CopyTo(ctx, &got, 0, -1)
	return got.Bytes(), err
}

// warm asks for an image on purpose, which does not wait for the time of the next attempt.
func warm(t *testing.T, c *Cache, src Source) {
	t.Helper()
	if err := c.Warm(src); err != nil {
		t.Fatal(err)
	}
}

func wants(t *testing.T, c *Cache, src Source, want []byte) {
	t.Helper()
	got, err := read(t, c, src)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes of %d, equal %v: %v", len(got), len(want), bytes.Equal(got, want), err)
	}
}

// breaks reads an image that must fail, and checks that what was given is a true and short part.
func breaks(t *testing.T, c *Cache, src Source, want []byte, kind error) {
	t.Helper()
	got, err := read(t, c, src)
	if !errors.Is(err, kind) || len(got) >= len(want) || !bytes.HasPrefix(want, got) {
		t.Fatalf("%d bytes of %d: %v; want %v", len(got), len(want), err, kind)
	}
}

// files are the names below the cache's folder.
func files(t *testing.T, dir string) (all []string) {
	t.Helper()
	for _, sub := range []string{"blobs", "partial"} {
		found, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			all = append(all, sub+"/"+f.Name())
		}
	}
	return all
}

func digest(b []byte) catalog.Digest { return sha256.Sum256(b) }

// One fetch, however many readers, from the first byte on.
func TestOneFetchForAll(t *testing.T) {
	data := noise(1, 3<<20)
	p := newPlace(t, data)
	p.hold = make(chan struct{})
	c, _ := run(t, quick(t, t.TempDir()))
	src := Source{Src: p.url, Digest: digest(data)}
	var wg sync.WaitGroup
	for range 16 {
		h := open(t, c, src)
		wg.Go(func() {
			var first [1]byte
			if n, err := h.ReadAt(t.Context(), first[:], 0); n != 1 || err != nil || first[0] != data[0] {
				t.Errorf("first byte: %d, %v", n, err)
			}
			info, err := h.Info(t.Context())
			if err != nil || info.Size != int64(len(data)) || info.Digest != digest(data) || info.Complete {
				t.Errorf("%+v, %v", info, err)
			}
			if _, whole := h.File(); whole {
				t.Error("it is not complete yet")
			}
		})
	}
	wg.Wait()
	p.release()
	for range 16 {
		wg.Go(func() { wants(t, c, src, data) })
	}
	wg.Wait()
	wants(t, c, src, data)
	if n := p.gets(); n != 1 {
		t.Errorf("the origin was asked %d times", n)
	}
	if i, ok := c.Held(src); !ok || !i.Complete || i.Size != int64(len(data)) {
		t.Errorf("%+v %v", i, ok)
	}
}

func TestOrigins(t *testing.T) {
	data := noise(2, 1<<20)
	declared := digest(data)
	other := digest([]byte("other"))
	for _, tt := range []struct {
		name   string
		acts   []act
		digest catalog.Digest
		size   int64
		err    error // nil: it is there in full
		asked  int
	}{
		{name: "well", asked: 1},
		{name: "well, declared", digest: declared, size: 1 << 20, asked: 1},
		{name: "chunked", acts: []act{{chunked: true}}, asked: 1},
		{name: "reset", acts: []act{{end: "reset", give: 300000}}, asked: 2},
		{name: "closed", acts: []act{{end: "close", give: 300000}}, asked: 2},
		{name: "stalled", acts: []act{{end: "stall", give: 300000}}, asked: 2},
		{name: "closed before the first byte", acts: []act{{end: "close"}}, asked: 2},
		{name: "busy at first", acts: []act{{status: 503}, {status: 429}}, asked: 3},
		{name: "no ranges", acts: []act{{end: "close", give: 300000}, {noRange: true}}, asked: 2},
		{name: "no validators", acts: []act{{end: "close", give: 300000, mute: true}, {mute: true}}, asked: 2},
		{name: "says too much", acts: []act{{length: 100}, {status: 416}, {length: 100}, {status: 416}, {length: 100}, {status: 416}, {length: 100}, {status: 416}}, err: ErrOrigin},
		{name: "not there", acts: []act{{status: 404}}, err: ErrOrigin, asked: 1},
		{name: "never there", acts: []act{{status: 500}, {status: 500}, {status: 500}, {status: 500}}, err: ErrOrigin, asked: 4},
		{name: "other bytes", digest: other, err: ErrProof, asked: 1},
		{name: "other bytes, chunked", digest: other, acts: []act{{chunked: true}}, err: ErrProof, asked: 1},
		{name: "other length", digest: declared, size: 99, err: ErrOrigin, asked: 1},
		{name: "no end, no digest", acts: []act{{openEnd: true}}, err: ErrOrigin, asked: 1},
		{name: "chunked, cut", acts: []act{{chunked: true, end: "close", give: 300000}}, asked: 2},
		{name: "chunked, cut, no ranges", acts: []act{{chunked: true, end: "reset", give: 300000}, {chunked: true, noRange: true}}, asked: 2},
		{name: "chunked, cut, no validators", acts: []act{{chunked: true, end: "close", give: 300000, mute: true}, {chunked: true, mute: true}}, asked: 2},
		{name: "chunked, declared length", acts: []act{{chunked: true}}, digest: declared, size: 1 << 20, asked: 1},
		{name: "chunked, longer than declared", acts: []act{{chunked: true}}, digest: declared, size: 1<<20 - 1, err: ErrOrigin, asked: 1},
		{name: "no end, a digest, cut", acts: []act{{openEnd: true, give: 300000}}, digest: declared, err: ErrProof, asked: 1},
		{name: "no end, a digest", acts: []act{{openEnd: true}}, digest: declared, asked: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t, data, tt.acts...)
			dir := t.TempDir()
			cfg := quick(t, dir)
			cfg.Origin.Stall = 200 * time.Millisecond
			c, stop := run(t, cfg)
			src := Source{Src: p.url, Digest: tt.digest, Size: tt.size}
			if tt.err == nil {
				wants(t, c, src, data)
			} else {
				breaks(t, c, src, data, tt.err)
			}
			if n := p.gets(); tt.asked > 0 && n != tt.asked {
				t.Errorf("asked %d times, want %d", n, tt.asked)
			}
			stop()
			_, held := New(quick(t, dir)).Held(src)
			if held != (tt.err == nil) {
				t.Errorf("held %v in the next process; %v", held, files(t, dir))
			}
			if tt.err == nil && len(files(t, dir)) != 2 {
				t.Errorf("%v", files(t, dir))
			}
		})
	}
}

// A fetch that ends for good is not begun again for each of those who ask, and says when it is.
func TestFailedRests(t *testing.T) {
	p := newPlace(t, noise(3, 1000), act{status: 404})
	c, _ := run(t, quick(t, t.TempDir()))
	for range 5 {
		breaks(t, c, Source{Src: p.url}, noise(3, 1000), origin.ErrRefused)
	}
	if n := p.gets(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	s := c.Status()
	if len(s.Fills) != 1 || s.Fills[0].Status != wire.CacheFillFailed || s.Fills[0].Error == "" || len(s.Misses) != 1 || s.Misses[0].Count != 1 {
		t.Errorf("%+v", s)
	}
	warm(t, c, Source{Src: p.url})
	wants(t, c, Source{Src: p.url}, noise(3, 1000))
}

// The fetch goes on without readers.
func TestAllReadersGo(t *testing.T) {
	data := noise(4, 1<<20)
	p := newPlace(t, data)
	p.hold = make(chan struct{})
	c, _ := run(t, quick(t, t.TempDir()))
	h, err := c.Open(t.Context(), Source{Src: p.url}, "one")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.CopyTo(t.Context(), io.Discard, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	if s := c.Status(); len(s.Streams) != 1 || s.Streams[0].Sent != 1000 || s.Streams[0].Offset != 2000 || s.Fills[0].Readers != 1 {
		t.Errorf("%+v", s)
	}
	h.Close()
	h.Close()
	p.release()
	eventually(t, func() bool { return len(c.Status().Fills) == 0 })
	if s := c.Status(); len(s.Streams)+len(s.Fills) != 0 || len(s.Blobs) != 1 {
		t.Errorf("%+v", s)
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it did not come to pass in 10 s")
}
