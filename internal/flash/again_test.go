package flash

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/catalog"
	"bty/internal/disk/looptest"
	"bty/internal/origin"
)

// dying is a cache that has an image from src, gives so many bytes of it to each request, and after so
// many requests nothing any more. The URL is that of the image there.
func dying(t *testing.T, src string, image []byte, give int, requests int64) string {
	t.Helper()
	var asked atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) > requests {
			panic(http.ErrAbortHandler)
		}
		serveBytes(&limited{ResponseWriter: w, left: give}, r, "image", image)
		http.NewResponseController(w).Flush()
		hijack(w, false)
	}))
	t.Cleanup(srv.Close)
	return catalog.CacheURL(srv.URL, src)
}

// details notes what was reported of the origin.
func details(into *[]string) func(Progress) {
	return func(p Progress) {
		if p.Stage == StageOrigin {
			*into = append(*into, p.Detail)
		}
	}
}

// A qcow2 whose clusters lie anywhere is read in parts, which are of one server: it is begun again at
// the origin of the cache that died.
func TestBeginAgainForParts(t *testing.T) {
	b, want := outOfOrder(t)
	path, file := used(t, 70*mib, looptest.Options{})
	url := dying(t, serve(t, "disk.qcow2", b), b, 20*mib, 3)
	var said []string
	res, err := Run(t.Context(), Request{Source: url, Target: path, Digest: digest(b), Origin: patient()}, details(&said))
	if err != nil || !res.Verified {
		t.Fatalf("%+v, %v", res, err)
	}
	holds(t, file, want)
	if len(said) == 0 || !strings.Contains(said[len(said)-1], "is begun again from its origin http://") || !strings.Contains(strings.Join(res.Notes, "|"), "begun again") {
		t.Errorf("%q, %q", said, res.Notes)
	}
}

// What the cache gave may not be what its origin has, declared or not. Then all of it comes from the origin,
// once more and no more; what is wrong there as well is an error that names both.
func TestBeginAgainForOtherBytes(t *testing.T) {
	img := picture(24*mib, 3)
	stale := bytes.Clone(img)
	stale[5*mib]++
	for name, test := range map[string]struct {
		declared catalog.Digest
		verified bool
	}{"declared": {digest(img), true}, "not declared": {catalog.Digest{}, false}} {
		t.Run(name, func(t *testing.T) {
			path, file := used(t, 24*mib, looptest.Options{})
			var said []string
			url := dying(t, serve(t, "a.img", img), stale, 10*mib, 1)
			res, err := Run(t.Context(), Request{Source: url, Target: path, Digest: test.declared, Origin: patient()}, details(&said))
			if err != nil || res.Verified != test.verified {
				t.Fatalf("%+v, %v", res, err)
			}
			holds(t, file, img)
			if len(said) != 2 || !strings.Contains(said[0], "what follows its first 10M comes from the origin") || !strings.Contains(said[1], "begun again") {
				t.Errorf("%q", said)
			}
		})
	}

	path, file := used(t, 24*mib, looptest.Options{})
	var asked atomic.Int64
	wrong := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.ServeContent(w, r, "a.img", time.Time{}, bytes.NewReader(stale))
	}))
	defer wrong.Close()
	url := dying(t, wrong.URL+"/a.img", img, 10*mib, 1)
	_, err := Run(t.Context(), Request{Source: url, Target: path, Digest: digest(bytes.Repeat(img, 2)), Origin: patient()}, nil)
	if e := fails(t, err, ErrDigest, "begun again from its origin "+wrong.URL+"/a.img alone"); !e.Touched || asked.Load() != 2 {
		t.Errorf("%+v after %d requests", e, asked.Load())
	}
	unbootable(t, file)
}

// Both are gone: the disk does not boot, and the error names both.
func TestCacheAndOriginGone(t *testing.T) {
	img := picture(24*mib, 4)
	path, file := used(t, 24*mib, looptest.Options{})
	there := serve(t, "a.img", img)
	const nowhere = "http://127.0.0.1:1/a.img"
	url := dying(t, nowhere, img, 10*mib, 1)
	_, err := Run(t.Context(), Request{Source: url, Target: path, Digest: digest(img), Origin: patient()}, nil)
	e := fails(t, err, ErrOrigin, nowhere)
	if cache, _, _ := strings.Cut(url, "/b/"); !e.Touched || !strings.Contains(err.Error(), "the cache "+cache+" had failed") {
		t.Errorf("%v", err)
	}
	if n := len([]rune(err.Error())); n > 500 {
		t.Errorf("the server cuts it: %d characters\n%v", n, err)
	}
	unbootable(t, file)

	// Another refusal of the cache than that it has nothing is meant.
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "not allowed", http.StatusForbidden) }))
	defer refusing.Close()
	path, file = used(t, 24*mib, looptest.Options{})
	_, err = Run(t.Context(), Request{Source: catalog.CacheURL(refusing.URL, there), Target: path, Origin: origin.Options{}}, nil)
	fails(t, err, ErrOrigin, "403")
	untouched(t, file)
}
