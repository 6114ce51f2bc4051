package origin

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/oras"
	"bty/internal/testenv/registry"
)

// parted is a server of parts. bad answers the n-th request for one, if it says so.
func parted(t *testing.T, data []byte, bad func(n int64, w http.ResponseWriter, r *http.Request) bool) string {
	var asked atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		if part := r.Header.Get("Range"); part != "" && bad != nil && bad(asked.Add(1), w, r) {
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/disk.qcow2"
}

func TestAt(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	cut := func(n int64, w http.ResponseWriter, r *http.Request) bool {
		if n%3 == 0 {
			return false
		}
		if n%3 == 1 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return true
		}
		http.ServeContent(cutShort{w, new(int)}, r, "", time.Time{}, bytes.NewReader(data))
		panic(http.ErrAbortHandler)
	}
	// A cache that knows the digest now, and what the image was called before.
	renamed := func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("If-Range") != `"one"` {
			w.Header().Set("ETag", `"sha256:one"`)
		}
		return false
	}
	unconditional := func(_ int64, _ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("If-Range") != "" {
			r.Header.Del("Range")
		}
		return false
	}
	for name, bad := range map[string]func(int64, http.ResponseWriter, *http.Request) bool{"sound": nil, "broken lines": cut, "renamed": renamed, "no If-Range": unconditional} {
		t.Run(name, func(t *testing.T) {
			opts := quick()
			opts.Attempts = 60 // the readers share a count of requests, so one of them may meet many bad ones in a row
			r, err := Open(t.Context(), parted(t, data, bad), opts)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			var wg sync.WaitGroup
			for _, off := range []int{0, 1, 700_001, len(data) - 50_000, len(data) - 3, len(data), len(data) + 9} {
				wg.Go(func() {
					p := make([]byte, 50_000)
					n, err := r.At().ReadAt(p, int64(off))
					want := data[min(off, len(data)):min(off+len(p), len(data))]
					if !bytes.Equal(p[:n], want) || (err != nil) != (n < len(p)) || err != nil && !errors.Is(err, io.EOF) {
						t.Errorf("at %d: %d bytes of %d, %v", off, n, len(want), err)
					}
				})
			}
			wg.Wait()
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
				t.Errorf("the whole: %d bytes, %v", len(got), err)
			}
		})
	}
}

// cutShort lets 10,000 bytes pass.
type cutShort struct {
	http.ResponseWriter
	n *int
}

func (c cutShort) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p[:min(len(p), 10_000-*c.n)])
	if *c.n += n; err == nil && n < len(p) {
		http.NewResponseController(c.ResponseWriter).Flush()
		err = errors.New("cut")
	}
	return n, err
}

func TestAtRefuses(t *testing.T) {
	data := make([]byte, 100_000)
	for name, tc := range map[string]struct {
		bad  func(int64, http.ResponseWriter, *http.Request) bool
		want error
		says string
	}{
		"no ranges": {func(_ int64, w http.ResponseWriter, r *http.Request) bool { r.Header.Del("Range"); return false }, ErrRefused, "no ranges"},
		"gone":      {func(_ int64, w http.ResponseWriter, r *http.Request) bool { http.NotFound(w, r); return true }, ErrRefused, "404"},
		"another image": {func(_ int64, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("ETag", `"two"`)
			return false
		}, ErrChanged, `"two"`},
		"elsewhere": {func(_ int64, w http.ResponseWriter, r *http.Request) bool {
			r.Header.Set("Range", "bytes=7-99")
			return false
		}, ErrRefused, "from 7 on"},
		"always down": {func(_ int64, w http.ResponseWriter, r *http.Request) bool {
			http.Error(w, "", http.StatusBadGateway)
			return true
		}, ErrBroken, "502"},
	} {
		r, err := Open(t.Context(), parted(t, data, tc.bad), quick())
		if err != nil {
			t.Fatal(err)
		}
		n, err := r.At().ReadAt(make([]byte, 1000), 5000)
		if n > 0 || !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
		r.Close()
		if _, err := r.At().ReadAt(make([]byte, 1000), 5000); err == nil {
			t.Errorf("%s: it can be read after its end", name)
		}
	}
}

func TestAtOfFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "disk.qcow2")
	os.WriteFile(file, []byte("0123456789"), 0o600)
	r, err := Open(t.Context(), file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := make([]byte, 3)
	if _, err := r.At().ReadAt(p, 4); err != nil || string(p) != "456" {
		t.Errorf("%q, %v", p, err)
	}
	in, err := Open(t.Context(), "-", Options{Stdin: strings.NewReader("x")})
	if err != nil || in.At() != nil {
		t.Errorf("standard input at any place: %v, %v", in, err)
	}
}

// Parts of a blob come from its registry, signed in, when mirrors do not have them.
func TestAtOfRegistry(t *testing.T) {
	r, empty := registry.Start(t, true), registry.Start(t, false)
	data := noise(300_000, 1)
	r.Push("lab/disk", "v1", registry.Layer{Type: diskImage, Title: "disk.qcow2", Content: string(data)})
	down := httptest.NewServer(nil)
	down.Close()
	away := strings.TrimPrefix(down.URL, "http://")
	opts := asking(t, r.Host)
	opts.Registry.PlainHTTP = append(opts.Registry.PlainHTTP, empty.Host, away)
	opts.Registry.Mirrors = oras.Mirrors{r.Host: {empty.Host, away}}
	in, err := Open(t.Context(), "oras://"+r.Host+"/lab/disk:v1", opts)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p := make([]byte, 70_000)
	for _, off := range []int{1, 200_000, 299_000} {
		n, err := in.At().ReadAt(p, int64(off))
		want := data[off:min(off+len(p), len(data))]
		if !bytes.Equal(p[:n], want) || n < len(p) != errors.Is(err, io.EOF) {
			t.Errorf("at %d: %d of %d bytes, %v", off, n, len(want), err)
		}
	}
	if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the whole: %d bytes, %v", len(got), err)
	}
}
