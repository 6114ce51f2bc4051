package tui

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bty/internal/catalog"
	"bty/internal/oras"
	"bty/internal/origin"
	"bty/internal/testenv/registry"
)

const oneImage = "version = 1\n[[images]]\nname = \"One\"\nsrc = \"http://H/One.img\"\nsize_bytes = 5\ngrow = false\nverify = true\n"

// The images of a folder by name, with the digests beside them; what is no image is left out.
func TestListFolder(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"b.img": "b", "A.RAW": "a", "c.img.gz": "c", "d.zst": "d", "e.img.xz": "e", "f.bz2": "f", "g.qcow2": "g", "empty.img": "", "notes.txt": "n", ".img.swp": "s",
		"b.img.sha256": fmt.Sprintf("%x  b.img\n", sha256.Sum256([]byte("b"))), "c.img.gz.sha256": strings.Repeat("ab", 32), "d.zst.sha256": "nonsense",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.img"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := List(t.Context(), Source{At: dir, Folder: true}, origin.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, i := range got {
		said = append(said, fmt.Sprintf("%s %s %v %s", i.Name, i.Format, !i.Digest.IsZero(), i.Problem))
		if i.At != filepath.Join(dir, i.Name) {
			t.Errorf("%s is at %s", i.Name, i.At)
		}
	}
	want := []string{"A.RAW img false ", "b.img img true ", "c.img.gz img.gz true ", "d.zst img.zst false its .sha256: malformed sha256sum line \"nonsense\": want 64 hex digits and a name",
		"e.img.xz img.xz false ", "empty.img img false the file is empty", "f.bz2 img.bz2 false ", "g.qcow2 qcow2 false "}
	if strings.Join(said, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(said, "\n"), strings.Join(want, "\n"))
	}
	if _, err := List(t.Context(), Source{At: filepath.Join(dir, "absent"), Folder: true}, origin.Options{}); err == nil || !strings.Contains(err.Error(), "BTY_IMAGE_ROOT") {
		t.Error(err)
	}
}

// A catalog is read from a path or a server, letter by letter as it was named.
func TestListCatalog(t *testing.T) {
	asked := ""
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		asked = req.URL.String()
		fmt.Fprint(rw, oneImage)
	}))
	defer web.Close()
	path := filepath.Join(t.TempDir(), "Catalog.TOML")
	if err := os.WriteFile(path, []byte(oneImage), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{path, web.URL + "/Upper/Catalog.TOML?Key=V"} {
		got, err := List(t.Context(), Source{At: at}, origin.Options{})
		if err != nil || len(got) != 1 || got[0].At != "http://H/One.img" || got[0].Size != 5 || got[0].Grow != catalog.No || got[0].Verify != catalog.Yes || got[0].Format != catalog.FormatUnknown {
			t.Errorf("%s: %+v, %v", at, got, err)
		}
	}
	if asked != "/Upper/Catalog.TOML?Key=V" {
		t.Errorf("asked for %q", asked)
	}
}

// What is wrong with a catalog is said with its address, and without what is secret in that.
func TestListWrongCatalog(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/html":
			fmt.Fprint(rw, "<html>")
		case "/text":
			fmt.Fprint(rw, "just text")
		case "/long":
			_, _ = rw.Write(make([]byte, maxCatalog+2))
		default:
			http.NotFound(rw, req)
		}
	}))
	defer web.Close()
	for path, says := range map[string]string{"/absent": "404", "/text": "no catalog of images", "/html": "a web page", "/long": "longer than 4 MiB"} {
		_, err := List(t.Context(), Source{At: web.URL + path + "?key=secret"}, origin.Options{})
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), web.URL) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A catalog that a registry holds.
func TestListFromARegistry(t *testing.T) {
	r := registry.Start(t, false)
	r.Push("catalog", "v1", registry.Layer{Type: "application/toml", Title: "catalog.toml", Content: oneImage})
	o := origin.Options{Registry: &oras.Client{PlainHTTP: oras.Hosts(r.Host)}}
	got, err := List(t.Context(), Source{At: "oras://" + r.Host + "/catalog:v1"}, o)
	if err != nil || len(got) != 1 || got[0].Name != "One" {
		t.Errorf("%+v, %v", got, err)
	}
}

// A pick names an image as its server does, also where the catalog leads to a cache.
func TestListKeepsTheServersReference(t *testing.T) {
	for _, src := range []string{"http://h/a%20b.img.zst", "oras://registry.example/os/debian:13"} {
		ref, err := catalog.RefOf(src)
		if err != nil {
			t.Fatal(err)
		}
		entry := catalog.Entry{Ref: ref, Name: "a", Src: src, Digest: catalog.Digest{1}}
		for name, listing := range map[string]catalog.Listing{"origin": {}, "withcache": {Cache: "http://cache:3000"}, "bty-cache": {Cache: "http://cache:3000", Pins: true}} {
			path := filepath.Join(t.TempDir(), "catalog.toml")
			if err := os.WriteFile(path, catalog.EncodeTOML([]catalog.Entry{entry}, listing), 0o600); err != nil {
				t.Fatal(err)
			}
			list, err := List(t.Context(), Source{At: path}, origin.Options{})
			if err != nil || len(list) != 1 || list[0].Problem != "" || list[0].Ref != ref {
				t.Errorf("%s of %s: %v, %+v; want %s", name, src, err, list, ref)
			}
		}
	}
}
