package flash

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/disk/looptest"
)

func TestRunQCOW2(t *testing.T) {
	want := picture(30*mib, 5)
	dir := t.TempDir()
	raw, img := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "disk.qcow2")
	if err := os.WriteFile(raw, want, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, options := range []string{"", "-c", "-c -o compression_type=zstd"} {
		argv := append(append([]string{"convert", "-f", "raw", "-O", "qcow2"}, strings.Fields(options)...), raw, img)
		if out, err := exec.Command("qemu-img", argv...).CombinedOutput(); err != nil {
			t.Fatalf("qemu-img: %v: %s (apt-get install qemu-utils)", err, out)
		}
		b, err := os.ReadFile(img)
		if err != nil {
			t.Fatal(err)
		}
		path, file := used(t, 40*mib, looptest.Options{})
		res, err := Run(t.Context(), Request{Source: serve(t, "disk.qcow2", b), Target: path, Digest: digest(b)}, nil)
		if err != nil || !res.Verified || res.Transferred != int64(len(b)) {
			t.Fatalf("%q: %+v, %v", options, res, err)
		}
		holds(t, file, want)

		b[len(b)-1]++
		path, file = used(t, 40*mib, looptest.Options{})
		_, err = Run(t.Context(), Request{Source: serve(t, "disk.qcow2", b), Target: path, Digest: digest(bytes.Repeat(b, 2))}, nil)
		fails(t, err, ErrDigest, "was declared")
		unbootable(t, file)
	}
}

// outOfOrder is a qcow2 whose clusters lie in the reverse order, and what is in it.
func outOfOrder(t *testing.T) (b, want []byte) {
	t.Helper()
	img := filepath.Join(t.TempDir(), "disk.qcow2")
	script := "qemu-img create -q -f qcow2 " + img + " 60M && for at in $(seq 59 -1 0); do echo write -q -P $((at+1)) ${at}M 1M; done | qemu-io -f qcow2 " + img
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s (apt-get install qemu-utils)", err, out)
	}
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		want = append(want, bytes.Repeat([]byte{byte(i + 1)}, mib)...)
	}
	return b, want
}

// A qcow2 that a virtual machine wrote has its clusters anywhere. What is fetched out of order, over
// lines that break, is the same image; without ranges it is refused, and the disk does not boot.
func TestRunQCOW2OutOfOrder(t *testing.T) {
	b, want := outOfOrder(t)
	var parts atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		if part := r.Header.Get("Range"); part != "" {
			if strings.HasPrefix(r.URL.Path, "/whole/") {
				r.Header.Del("Range")
			} else if parts.Add(1)%5 == 0 {
				panic(http.ErrAbortHandler)
			}
		}
		http.ServeContent(w, r, "disk.qcow2", time.Time{}, bytes.NewReader(b))
	}))
	defer srv.Close()

	path, file := used(t, 70*mib, looptest.Options{})
	res, err := Run(t.Context(), Request{Source: srv.URL + "/disk.qcow2", Target: path, Digest: digest(b), Origin: patient()}, nil)
	if err != nil || !res.Verified || parts.Load() == 0 {
		t.Fatalf("%+v, %v after %d parts", res, err, parts.Load())
	}
	holds(t, file, want)

	path, file = used(t, 70*mib, looptest.Options{})
	_, err = Run(t.Context(), Request{Source: srv.URL + "/whole/disk.qcow2", Target: path, Digest: digest(b), Origin: patient()}, nil)
	if e := fails(t, err, ErrOrigin, "knows no ranges"); e.Touched {
		unbootable(t, file)
	} else {
		untouched(t, file)
	}
}
