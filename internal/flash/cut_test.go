package flash

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"bty/internal/disk/looptest"
)

// qcow2 is what qemu-img makes of a raw image.
func qcow2(t *testing.T, raw []byte, compressed bool) []byte {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	argv := []string{"qemu-img", "convert", "-f", "raw", "-O", "qcow2"}
	if compressed {
		argv = append(argv, "-c")
	}
	tool(t, nil, append(argv, in, out)...)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The connection is cut five times, whatever the format: the disk gets each byte once and in its
// place, and the digest is that of the whole.
func TestCutFiveTimes(t *testing.T) {
	img := picture(24*mib, 9)
	for name, published := range map[string][]byte{
		"a.img":              img,
		"a.img.gz":           tool(t, img, "gzip", "-1"),
		"a.img.zst":          tool(t, img, "zstd", "-1"),
		"frames.img.zst":     independent(t, img, mib),
		"a.img.xz":           tool(t, img, "xz", "-0"),
		"a.img.bz2":          tool(t, img, "bzip2", "-1"),
		"a.qcow2":            qcow2(t, img, false),
		"compressed.a.qcow2": qcow2(t, img, true),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, file := used(t, 24*mib, looptest.Options{})
			var cuts atomic.Int64
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if cuts.Add(1) > 5 {
					serveBytes(w, r, name, published)
					return
				}
				serveBytes(&limited{ResponseWriter: w, left: len(published)/7 + 1}, r, name, published)
				http.NewResponseController(w).Flush()
				hijack(w, true)
			}))
			defer srv.Close()
			res, err := Run(t.Context(), Request{
				Source: srv.URL + "/" + name, Digest: digest(published), Size: int64(len(published)), Target: path, Origin: patient(), Verify: true,
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			holds(t, file, img)
			if cuts.Load() < 6 || res.Retries == 0 || !res.Verified || !res.ReadBack {
				t.Errorf("%d requests: %+v", cuts.Load(), res)
			}
		})
	}
}
