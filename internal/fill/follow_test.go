package fill

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/origin"
)

// Readers with ranges of their own, slow ones, and ones that go away, over an image that grows: each
// gets exactly its bytes.
func TestManyReaders(t *testing.T) {
	data := noise(9, 8<<20)
	var sent atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		http.ServeContent(w, r, "disk.img", time.Time{}, &slow{Reader: bytes.NewReader(data), sent: &sent})
	}))
	t.Cleanup(srv.Close)
	c, _ := run(t, quick(t, t.TempDir()))
	src := Source{Src: srv.URL + "/disk.img"}
	var wg sync.WaitGroup
	for i := range 48 {
		wg.Go(func() { oneReader(t, c, src, data, rand.New(rand.NewPCG(uint64(i), 1))) })
	}
	wg.Wait()
	wants(t, c, src, data)
	if n := sent.Load(); n != int64(len(data)) {
		t.Errorf("the origin sent %d bytes of %d", n, len(data))
	}
	if s := c.Status(); len(s.Streams) != 0 || len(s.Fills) != 0 || s.Blobs[0].Reads < 48 {
		t.Errorf("%+v", s)
	}
}

func oneReader(t *testing.T, c *Cache, src Source, data []byte, r *rand.Rand) {
	time.Sleep(time.Duration(r.IntN(150)) * time.Millisecond)
	h, err := c.Open(t.Context(), src, "reader")
	if err != nil {
		t.Error(err)
		return
	}
	defer h.Close()
	off := r.Int64N(int64(len(data)))
	n := r.Int64N(int64(len(data)) - off)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	switch r.IntN(4) {
	case 0: // goes away in the middle
		time.AfterFunc(time.Duration(r.IntN(100))*time.Millisecond, cancel)
	case 1:
		n = -1
	}
	got := &slowly{r: r}
	m, err := h.CopyTo(ctx, got, off, n)
	want := data[off : off+m]
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("other bytes than those from %d on", off)
	}
	whole := n
	if n < 0 {
		whole = int64(len(data)) - off
	}
	if err == nil && m != whole || err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("%d bytes of %d: %v", m, whole, err)
	}
}

type slowly struct {
	bytes.Buffer
	r *rand.Rand
}

func (s *slowly) Write(p []byte) (int, error) {
	if s.r.IntN(8) == 0 {
		time.Sleep(time.Duration(s.r.IntN(20)) * time.Millisecond)
	}
	return s.Buffer.Write(p)
}

func (s *slowly) ReadFrom(r io.Reader) (int64, error) { return io.Copy(struct{ io.Writer }{s}, r) }

// A reader that takes nothing holds up neither the fetch nor the others.
func TestSlowReader(t *testing.T) {
	data := noise(9, 4<<20)
	p := newPlace(t, data)
	c, _ := run(t, quick(t, t.TempDir()))
	src := Source{Src: p.url}
	r, w := io.Pipe()
	stuck := open(t, c, src)
	ended := make(chan error)
	go func() {
		_, err := stuck.CopyTo(t.Context(), w, 0, -1)
		w.CloseWithError(err)
		ended <- err
	}()
	wants(t, c, src, data)
	got, err := io.ReadAll(r)
	if err := errors.Join(err, <-ended); !bytes.Equal(got, data) || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// The last bytes wait for the proof, whether the length is known or not.
func TestTailWaits(t *testing.T) {
	data := noise(9, 1<<20)
	for name, a := range map[string]act{"length": {}, "chunked": {chunked: true}} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, data, a)
			c, _ := run(t, quick(t, t.TempDir()))
			h := open(t, c, Source{Src: p.url, Digest: digest([]byte("other"))})
			var got bytes.Buffer
			n, err := h.CopyTo(t.Context(), &got, 0, -1)
			if !errors.Is(err, ErrProof) || n > int64(len(data)-tail) || !bytes.HasPrefix(data, got.Bytes()) {
				t.Errorf("%d bytes, %v", n, err)
			}
			if _, err := h.ReadAt(t.Context(), make([]byte, 10), 0); !errors.Is(err, ErrProof) {
				t.Errorf("%v", err)
			}
			if info, err := h.Info(t.Context()); !errors.Is(err, ErrProof) {
				t.Errorf("%+v, %v", info, err)
			}
			if _, ok := h.File(); ok {
				t.Error("there is no file of it")
			}
			if all := files(t, c.cfg.Dir); len(all) > 2 {
				t.Errorf("%v", all)
			}
			eventually(t, func() bool { return len(files(t, c.cfg.Dir)) == 0 })
		})
	}
}

// An origin that changes the image in the middle breaks those who read the old one; the new one is
// fetched at once.
func TestChangedInTheMiddle(t *testing.T) {
	old, now := noise(1, 1<<20), noise(2, 1<<20)
	p := newPlace(t, old, act{end: "stall", give: 600000})
	cfg := quick(t, t.TempDir())
	cfg.Origin.Stall = 300 * time.Millisecond
	c, _ := run(t, cfg)
	src := Source{Src: p.url}
	h := open(t, c, src)
	first := make([]byte, 1000)
	if _, err := h.ReadAt(t.Context(), first, 0); err != nil || !bytes.Equal(first, old[:1000]) {
		t.Fatal(err)
	}
	p.change(now, `"two"`)
	n, err := h.CopyTo(t.Context(), io.Discard, 0, -1)
	if !errors.Is(err, origin.ErrChanged) || n >= 1<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
	eventually(t, func() bool { _, ok := c.Held(src); return ok })
	wants(t, c, src, now)
}

// An origin that changes with every request is given up.
func TestNeverTheSame(t *testing.T) {
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i := n.Add(1)
		w.Header().Set("ETag", `"`+string(rune('a'+i))+`"`)
		w.Header().Set("Content-Length", "1000000")
		w.Write(noise(uint64(i), 500000))
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(srv.Close)
	c, _ := run(t, quick(t, t.TempDir()))
	h := open(t, c, Source{Src: srv.URL})
	if _, err := h.CopyTo(t.Context(), io.Discard, 0, -1); !errors.Is(err, origin.ErrChanged) {
		t.Error(err)
	}
	time.Sleep(300 * time.Millisecond)
	asked := n.Load()
	time.Sleep(100 * time.Millisecond)
	if s := c.Status(); asked != n.Load() || asked > 2*(maxOvers+1) || len(s.Fills) != 1 || s.Fills[0].Error == "" || len(files(t, c.cfg.Dir)) != 0 {
		t.Errorf("asked %d and %d times; %+v; %v", asked, n.Load(), s.Fills, files(t, c.cfg.Dir))
	}
}

// Redirects that lead nowhere, and to what no cache may read.
func TestRedirects(t *testing.T) {
	var srv *httptest.Server
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{"/circle": "/circle", "/file": "file:///etc/passwd", "/gopher": "gopher://localhost/"}[r.URL.Path]
		http.Redirect(w, r, to, http.StatusFound)
	}))
	t.Cleanup(srv.Close)
	c, _ := run(t, quick(t, t.TempDir()))
	for _, path := range []string{"/circle", "/file", "/gopher"} {
		breaks(t, c, Source{Src: srv.URL + path}, []byte("x"), origin.ErrRefused)
	}
}

// blocking is a reader that takes some bytes, and the others when it is let.
type blocking struct {
	got   bytes.Buffer
	begun chan struct{} // closed with the first bytes
	let   chan struct{}
}

func (b *blocking) Write(p []byte) (int, error) {
	if b.got.Len() == 0 {
		close(b.begun)
		<-b.let
	}
	return b.got.Write(p)
}

// A slow reader is still in the middle of what a fetch brought that failed, when the next one finds another image:
// it gets no byte of that.
func TestSlowReaderOfAFailedFetch(t *testing.T) {
	old, now := noise(1, 8<<20), noise(2, 8<<20)
	cut := make(chan struct{})
	var asked atomic.Int32
	var isNew atomic.Bool
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first := asked.Add(1) == 1
		switch {
		case isNew.Load():
			w.Header().Set("ETag", `"two"`)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(now))
		case first:
			w.Header().Set("ETag", `"one"`)
			w.Header().Set("Content-Length", strconv.Itoa(len(old)))
			_, _ = w.Write(old[:4<<20])
			w.(http.Flusher).Flush()
			<-cut
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(origin.Close)
	c, _ := run(t, quick(t, t.TempDir()))
	src := Source{Src: origin.URL + "/disk.img"}
	h := open(t, c, src)
	eventually(t, func() bool { n, err := h.Until(t.Context(), 0); return err == nil && n >= 3<<20 })
	w := &blocking{begun: make(chan struct{}), let: make(chan struct{})}
	ended := make(chan error, 1)
	go func() {
		_, err := h.CopyTo(t.Context(), w, 0, 3<<20)
		ended <- err
	}()
	<-w.begun
	close(cut)
	eventually(t, func() bool { return statuses(c)["failed"] == 1 })
	isNew.Store(true)
	warm(t, c, src)
	wants(t, c, src, now)
	close(w.let)
	if err := <-ended; !bytes.HasPrefix(old, w.got.Bytes()) {
		t.Errorf("it got bytes of the other image, and %v", err)
	}
}
