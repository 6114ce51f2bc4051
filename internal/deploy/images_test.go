package deploy

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// An archive that cannot be read is named with why, and is no failure: purge and status need none.
func TestFindArchive(t *testing.T) {
	index := []byte(`{"manifests":[{"annotations":{"org.opencontainers.image.ref.name":"localhost/bty-web:1.2.3"}}]}`)
	var good bytes.Buffer
	w := tar.NewWriter(&good)
	if err := w.WriteHeader(&tar.Header{Name: "index.json", Mode: 0o644, Size: int64(len(index))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(index); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content  []byte
		ref, err string
	}{
		"good":      {good.Bytes(), "localhost/bty-web:1.2.3", ""},
		"cut off":   {good.Bytes()[:550], "", "index.json cannot be read"},
		"no tar":    {[]byte("no image"), "", "it cannot be read"},
		"empty":     {nil, "", "no archive of an image"},
		"no images": {make([]byte, 1024), "", "no archive of an image"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "bty-web."+architectures[runtime.GOARCH]+".tar")
		if err := os.WriteFile(path, c.content, 0o644); err != nil {
			t.Fatal(err)
		}
		got := findArchive([]string{t.TempDir(), dir}, "bty-web")
		if got.Path != path || got.Ref != c.ref || !strings.Contains(got.Err, c.err) || (c.err == "") != (got.Err == "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := findArchive([]string{t.TempDir()}, "bty-web"); got != (Archive{}) {
		t.Errorf("there is none, and it found %+v", got)
	}
}
