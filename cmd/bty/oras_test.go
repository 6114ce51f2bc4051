package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"bty/internal/catalog"
	"bty/internal/client/peer"
	"bty/internal/testenv/registry"
	"bty/internal/wire"
)

// From a registry the digest is known, although nobody declared it.
func TestFlashFromARegistry(t *testing.T) {
	r := registry.Start(t, false)
	data := image(3 * mib)
	published := gzipped(t, data)
	r.Push("lab/disk", "v1", registry.Layer{Type: "application/vnd.test.disk-image.layer.v1+gzip", Content: string(published)},
		registry.Layer{Type: "text/plain", Title: "disk.sha256", Content: hexSum(published)})
	src := "oras://" + r.Host + "/lab/disk:v1"

	target, file := loopDisk(t, 4*mib, "S-1")
	s := newStage(target)
	s.getenv = func(name string) string { return map[string]string{"BTY_ORAS_PLAIN_HTTP": r.Host}[name] }
	if err := s.run(t.Context(), "flash", "--image", src, "--disk", "S-1", "--yes", "--json"); err != nil {
		t.Fatal(err)
	}
	wantOnDisk(t, file, data)
	if got := resultOf(t, s); !got.Verified || got.SHA256 != hexSum(published) {
		t.Errorf("%+v", got)
	}

	// A plan names it, too; the live environment has no variables, but a command line.
	target, file = loopDisk(t, 4*mib, "S-2")
	web := &peer.Web{Plan: wire.Plan{Mode: "flash", Image: src, Name: "disk", TargetDiskSerial: "S-2", Format: "img.gz", DiskImageSHA: hexSum(published)}}
	s = newStage(target)
	s.cmdline = "quiet bty.mac=52:54:00:12:34:56 bty.oras.plain_http=other.lan:5000," + r.Host
	r.Push("lab/disk", "v1", registry.Layer{Type: "application/octet-stream", Content: "rebuilt since the plan was made"})
	if err := s.run(t.Context(), "--server", web.Start(t), "--mac", "52-54-00-12-34-56"); err != nil {
		t.Fatalf("%v\n%s", err, s.err)
	}
	wantOnDisk(t, file, data)
	if got := web.Statuses(); len(got) != 1 || got[0].Status != "done" {
		t.Errorf("%+v", got)
	}
}

// By way of a mirror, over https with a CA of the site's, and a format that is read in parts.
func TestFlashFromAMirror(t *testing.T) {
	r := registry.Start(t, false)
	front := r.Front()
	data := image(3 * mib)
	raw, packed := writeFile(t, data), filepath.Join(t.TempDir(), "disk.qcow2")
	if out, err := exec.Command("qemu-img", "convert", "-O", "qcow2", raw, packed).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img: %v: %s", err, out)
	}
	published, err := os.ReadFile(packed)
	if err != nil {
		t.Fatal(err)
	}
	r.Push("site/lab/disk", "v1", registry.Layer{Type: "application/vnd.test.disk-image.layer.v1", Title: "disk.qcow2", Content: string(published)})
	target, file := loopDisk(t, 4*mib, "S-1")
	s := newStage(target)
	s.cmdline = "bty.oras.mirrors=far.invalid=" + front.Host + "/site bty.ca_file=" + front.CAs
	if err := s.run(t.Context(), "flash", "--image", "oras://far.invalid/lab/disk:v1", "--disk", "S-1", "--yes", "--json"); err != nil {
		t.Fatal(err)
	}
	wantOnDisk(t, file, data)
	if got := resultOf(t, s); !got.Verified || got.Format != "qcow2" || got.SHA256 != hexSum(published) {
		t.Errorf("%+v", got)
	}
}

func TestOriginsThatCannotBe(t *testing.T) {
	for variable, says := range map[string]string{"BTY_ORAS_MIRRORS": "want registry=host", "BTY_CA_FILE": "no such file"} {
		s := newStage()
		s.getenv = func(name string) string { return map[string]string{variable: "/no/such"}[name] }
		err := s.run(t.Context(), "--server", "http://h", "--mac", "525400123456")
		if codeOf(err) != codeUsage || !strings.Contains(err.Error(), variable) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

// Behind a cache that loses the image in the middle is a registry: its manifest's digest is proven over
// what came from both.
func TestFlashFromARegistryBehindACache(t *testing.T) {
	r := registry.Start(t, false)
	data := image(3 * mib)
	r.Push("lab/disk", "v1", registry.Layer{Type: "application/vnd.test.disk-image.layer.v1", Title: "disk.img", Content: string(data)})
	src := "oras://" + r.Host + "/lab/disk:v1"
	var asked atomic.Int32
	cache := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if asked.Add(1) > 1 {
			http.NotFound(w, req)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		_, _ = w.Write(data[:2*mib])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer cache.Close()
	target, file := loopDisk(t, 4*mib, "S-1")
	web := &peer.Web{Plan: wire.Plan{Mode: "flash", Image: catalog.CacheURL(cache.URL, src), Name: "disk", TargetDiskSerial: "S-1", Format: "img"}}
	s := newStage(target)
	s.cmdline = "quiet bty.oras.plain_http=" + r.Host
	if err := s.run(t.Context(), "--server", web.Start(t), "--mac", "52-54-00-12-34-56"); err != nil {
		t.Fatalf("%v\n%s", err, s.err)
	}
	wantOnDisk(t, file, data)
	if got := web.Statuses(); len(got) != 1 || got[0].Status != "done" || !strings.Contains(s.err.String(), "comes from the origin "+src) {
		t.Errorf("%+v\n%s", got, s.err)
	}

	asked.Store(0)
	s = newStage(target)
	s.getenv = func(name string) string { return map[string]string{"BTY_ORAS_PLAIN_HTTP": r.Host}[name] }
	if err := s.run(t.Context(), "flash", "--image", catalog.CacheURL(cache.URL, src), "--format", "img", "--disk", "S-1", "--yes", "--json"); err != nil {
		t.Fatal(err)
	}
	if got := resultOf(t, s); !got.Verified || got.SHA256 != hexSum(data) || len(got.Notes) == 0 {
		t.Errorf("%+v", got)
	}
}
