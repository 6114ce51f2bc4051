package origin

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/testenv/registry"
)

// gone is a cache that gives some bytes, and never anything again.
func gone(t *testing.T, data []byte, give int) (url string, c *scripted) {
	t.Helper()
	c = &scripted{t: t, data: data, acts: []act{{give: give, end: "close", header: map[string]string{"ETag": `"sha256:one"`}}}}
	if give == 0 {
		c.acts[0] = act{hangUp: true}
	}
	for range 50 {
		c.acts = append(c.acts, act{hangUp: true})
	}
	return c.start(), c
}

// moving reads an image of a cache that has it from behind.
func moving(t *testing.T, cache, behind string, proven bool) (got []byte, moves []Move, err error) {
	t.Helper()
	o := quick()
	o.Behind, o.Proven, o.Careful, o.Moved = behind, proven, !proven, func(m Move) { moves = append(moves, m) }
	r, err := Open(t.Context(), cache, o)
	if err != nil {
		return nil, moves, err
	}
	defer r.Close()
	got, err = io.ReadAll(r)
	return got, moves, err
}

// A cache that dies before or in the middle: the rest comes from its origin. What nobody proves is read
// there from its start, and compared.
func TestMove(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 60_000)
	for name, test := range map[string]struct {
		give   int
		proven bool
		acts   []act // of the origin
		asked  []string
	}{
		"before":                     {0, true, nil, []string{""}},
		"before, without a digest":   {0, false, nil, []string{""}},
		"in the middle":              {400_000, true, nil, []string{"bytes=400000-"}},
		"an origin without ranges":   {400_000, true, []act{{noRange: true}}, []string{"bytes=400000-"}},
		"without a digest":           {400_000, false, nil, []string{""}},
		"cut while it is compared":   {400_000, false, []act{{give: 300_000, end: "close"}}, []string{"", ""}},
		"cut after it was compared":  {400_000, false, []act{{give: 500_000, end: "close"}}, []string{"", "bytes=500000-"}},
		"the same without validator": {400_000, false, []act{{give: 500_000, end: "close", header: map[string]string{"ETag": ""}}}, []string{"", ""}},
		"cut, with a digest":         {400_000, true, []act{{give: 100_000, end: "close"}}, []string{"bytes=400000-", "bytes=500000-"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache, _ := gone(t, data, test.give)
			there := &scripted{t: t, data: data, acts: test.acts}
			behind := there.start()
			got, moves, err := moving(t, cache, behind, test.proven)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if len(moves) != 1 || moves[0].Bytes != int64(test.give) || !strings.HasPrefix(cache, moves[0].Cache+"/images/") || moves[0].Origin != Redact(behind) || moves[0].Cause == nil {
				t.Errorf("%+v", moves)
			}
			var asked []string
			for _, r := range there.requests() {
				asked = append(asked, r.Header.Get("Range"))
				if r.Header.Get("If-Range") == `"sha256:one"` {
					t.Error("the origin is asked with the validator of the cache")
				}
			}
			if strings.Join(asked, "|") != strings.Join(test.asked, "|") {
				t.Errorf("asked %q, want %q", asked, test.asked)
			}
		})
	}
}

// Bytes of two servers that do not fit are never one image.
func TestMoveToOtherBytes(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 60_000)
	other, longer := bytes.Clone(data), append(bytes.Clone(data), 1)
	other[399_999]++
	for _, there := range [][]byte{other, longer} {
		cache, _ := gone(t, data, 400_000)
		got, _, err := moving(t, cache, (&scripted{t: t, data: there}).start(), false)
		if !errors.Is(err, ErrChanged) || len(got) > 400_000 {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
}

// Who refuses means it; who has nothing does not. In the end both are named, and what to do.
func TestWhenToMove(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 1000)
	for status, moves := range map[int]bool{
		http.StatusForbidden: false, http.StatusUnauthorized: false, http.StatusConflict: false, http.StatusBadRequest: false,
		http.StatusNotFound: true, http.StatusBadGateway: true, http.StatusServiceUnavailable: true, http.StatusInsufficientStorage: true,
	} {
		c := &scripted{t: t, data: data}
		for range 10 {
			c.acts = append(c.acts, act{status: status})
		}
		there := &scripted{t: t, data: data}
		got, _, err := moving(t, c.start(), there.start(), true)
		if moves != (len(there.requests()) > 0) || moves != (err == nil && bytes.Equal(got, data)) {
			t.Errorf("%d: %d requests at the origin, %v", status, len(there.requests()), err)
		}
	}

	cache, c := gone(t, data, 1000)
	down, _ := gone(t, data, 0)
	_, _, err := moving(t, cache, down, true)
	for _, says := range []string{Redact(down), "gave up at byte 1000", "the cache " + serverOf(cache) + " had failed", "let this machine reach the origin"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v does not say %q", err, says)
		}
	}
	if n := len(c.requests()); !errors.Is(err, ErrBroken) || n > 1+quick().Attempts {
		t.Errorf("%v after %d requests at the cache", err, n)
	}

	there := &scripted{t: t, data: data, acts: []act{{status: http.StatusForbidden}}}
	cache, _ = gone(t, data, 0)
	if _, _, err = moving(t, cache, there.start(), true); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "had failed") || len(there.requests()) != 1 {
		t.Errorf("%v after %d requests", err, len(there.requests()))
	}
	_, moves, err := moving(t, "http://no-cache.invalid/b/x/y", (&scripted{t: t, data: data}).start(), true)
	if err != nil || len(moves) != 1 {
		t.Errorf("a cache whose name is gone: %+v, %v", moves, err)
	}
	_, moves, err = moving(t, "https"+strings.TrimPrefix(down, "http"), (&scripted{t: t, data: data}).start(), false)
	if err == nil || len(moves) != 0 || !strings.Contains(err.Error(), "declare the image's SHA-256") {
		t.Errorf("from https to http without a digest: %+v, %v", moves, err)
	}
}

// Parts are of one server: who read some there gets none from the other, and the other way round.
func TestPartsDoNotMove(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 60_000)
	there := (&scripted{t: t, data: data}).start()
	for _, partsFirst := range []bool{true, false} {
		var dead atomic.Bool
		cache := parted(t, data, func(int64, http.ResponseWriter, *http.Request) bool {
			if dead.Load() {
				panic(http.ErrAbortHandler)
			}
			return false
		})
		o := quick()
		o.Behind, o.Proven = there, true
		r, err := Open(t.Context(), cache, o)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		part := make([]byte, 1000)
		if partsFirst {
			if _, err := r.At().ReadAt(part, 500_000); err != nil {
				t.Fatal(err)
			}
			dead.Store(true)
			if _, err = r.At().ReadAt(part, 600_000); !errors.Is(err, ErrAgain) {
				t.Errorf("%v", err)
			}
			continue
		}
		dead.Store(true)
		if _, err := io.ReadFull(r, part); err != nil {
			t.Fatal(err)
		}
		r.ReadCloser.(*stream).drop() // as if the connection broke
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data[len(part):]) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		dead.Store(false)
		if _, err := r.At().ReadAt(part, 500_000); !errors.Is(err, ErrAgain) {
			t.Errorf("of a cache that is back: %v", err)
		}
	}
}

// An origin that is a registry: the blob that was declared, or all of what the tag leads to, whose
// digest the caller then proves.
func TestMoveToARegistry(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 60_000)
	r := registry.Start(t, false)
	r.Push("lab/disk", "v1", registry.Layer{Type: diskImage, Content: string(data)})
	src := "oras://" + r.Host + "/lab/disk:v1"
	for _, proven := range []bool{true, false} {
		cache, _ := gone(t, data, 400_000)
		o := asked(r.Host)
		q := quick()
		o.FirstPause, o.MaxPause, o.Stall, o.Attempts = q.FirstPause, q.MaxPause, 5*time.Second, q.Attempts
		if o.Behind, o.Proven, o.Careful = src, proven, !proven; proven {
			o.Digest = sumOf(data)
		}
		in, err := Open(t.Context(), cache, o)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if in.Digest() != sumOf(data) {
			t.Errorf("the manifest's digest is %v", in.Digest())
		}
		in.Close()
	}
	cache, _ := gone(t, data, 400_000)
	_, _, err := moving(t, cache, src, true) // over https, which it does not speak
	if err == nil || !strings.Contains(err.Error(), "BTY_ORAS_PLAIN_HTTP") || !strings.Contains(err.Error(), src) || !strings.Contains(err.Error(), serverOf(cache)) {
		t.Errorf("%v", err)
	}
}
