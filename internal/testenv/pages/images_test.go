package pages

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bty/internal/catalog"
)

// imageSrc is an image that the pages show, with a machine that is bound to it.
const imageSrc = "https://images.example/debian-13-x86_64.img.zst"

var imageRef = func() string { ref, _ := catalog.RefOf(imageSrc); return ref.String() }()

// furnishImages fills the catalog from a file, with what a catalog has and lacks.
func furnishImages(s *server) {
	s.Helper()
	digest := strings.Repeat("0123456789abcdef", 4)
	var file strings.Builder
	file.WriteString("version = 1\n")
	for _, one := range []struct{ name, src, more string }{
		{"debian-13-x86_64.img.zst", imageSrc, "sha256 = '" + digest + "'\nsize_bytes = 734003200\ndescription = 'headless, for the rack'"},
		{"fedora 44 desktop (arm64, rolling)", "oras://127.0.0.1:1/lab/fedora-44-desktop:latest", "format = 'img.gz'\nsha256 = '" + digest + "'"},
		{"installer.qcow2", "https://images.example/a/rather/long/path/that/does/not/fit/into/its/column/installer.qcow2?signature=0123456789", ""},
	} {
		fmt.Fprintf(&file, "[[images]]\nname = %q\nsrc = %q\n%s\n", one.name, one.src, one.more)
	}
	path := filepath.Join(s.TempDir(), "catalog.toml")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		s.Fatal(err)
	}
	s.do("POST", "/catalog/import?source="+path, nil)
	s.do("PUT", "/machines/52:54:00:c0:00:01", map[string]any{"boot_mode": "bty-flash-once", "bty_image_ref": imageRef, "target_disk_serial": "S4NX0"})
}

// An image is added, looked for, checked, changed under a bound machine and deleted, in a browser.
func TestImageInTheBrowser(t *testing.T) {
	s := start(t)
	sums := strings.Repeat("ab", 32) + "  lab-x86_64.img.zst\n" + strings.Repeat("cd", 32) + "  other\n"
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/lab-x86_64.img.zst":
			w.Header().Set("Content-Length", "5")
		case "/SHA256SUMS":
			fmt.Fprint(w, sums)
		case "/MOVED":
			fmt.Fprint(w, strings.Repeat("cd", 32)+"  lab-x86_64.img.zst\n")
		default:
			http.NotFound(w, r)
		}
	}))
	defer web.Close()
	ref, err := catalog.RefOf(web.URL + "/lab-x86_64.img.zst")
	if err != nil {
		t.Fatal(err)
	}
	tab := s.tab()
	tab.Go("/ui/images")
	tab.Says("main", "No image yet")
	tab.Click(".empty .btn-primary")
	tab.At("/ui/images/add")
	tab.Allow("422 (Unprocessable") // the first try is refused
	tab.Type("#image_url", "ftp://nowhere/x.img")
	tab.Click("form[action='/ui/catalog/entries'] .btn-primary")
	tab.Says(".notice.bad", "image_url is")
	tab.Until(`document.querySelector("#image_url").value === "ftp://nowhere/x.img"`) // what was typed is still there
	tab.Type("#image_url", web.URL+"/lab-x86_64.img.zst")
	tab.Type("#sha_url", web.URL+"/SHA256SUMS")
	tab.Click("form[action='/ui/catalog/entries'] .btn-primary")
	tab.At("/ui/images/" + ref.String() + "?saved=added")
	tab.Says(".notice.good", "in the catalog")
	tab.Says("main", strings.Repeat("ab", 32))

	s.do("PUT", "/machines/52:54:00:00:00:09", map[string]any{"boot_mode": "bty-flash-once", "bty_image_ref": ref.String(), "target_disk_serial": "S"})
	tab.Type("#sha_url", web.URL+"/MOVED")
	tab.Click("form.fields .btn-primary")
	tab.Says("#question", "52:54:00:00:00:09") // whose bytes would change
	tab.Click("#question .btn-danger")
	tab.Says(".notice.good", "Saved")
	tab.Says("main", strings.Repeat("cd", 32))

	tab.Go("/ui/images")
	tab.Click("form[hx-post$='/check'] button")
	tab.Says("[id^=checked-]", "origin answers")
	tab.Type("#q", "nothing-like-it")
	tab.Says("#list", "Nothing matches")
	tab.Go("/ui/images?q=LAB")
	tab.Says("#list", "lab-x86_64.img.zst")
	tab.Click("[data-dialog]")
	tab.Says("#dialog", "52:54:00:00:00:09")
	tab.Click("#dialog [data-close]")
	tab.Until(`!document.getElementById("dialog").open`)
	tab.Click("[data-dialog]")
	tab.Says("#dialog", "Delete it all the same")
	tab.Click("#dialog .btn-danger")
	tab.At("/ui/images?saved=deleted")
	tab.Says(".notice.good", "deleted")
	tab.Says("main", "No image yet")

	// What somebody else adds is told, and nothing moves under the reader's hand.
	tab.Live()
	s.do("POST", "/catalog/entries", map[string]any{"image_url": web.URL + "/elsewhere.img"})
	tab.Says("[data-live-new]", "The catalog has changed")
	tab.Says("main", "No image yet")
	tab.Click("[data-live-new] a")
	tab.Says("#list", "elsewhere.img")

	// A catalog with a mistake in it says which image it is.
	file := filepath.Join(t.TempDir(), "catalog.toml")
	text := "version = 1\n[[images]]\nname = 'good.img'\nsrc = 'https://h.example/good.img'\n[[images]]\nname = 'strange'\nsrc = 'ftp://h.example/x'\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tab.Go("/ui/images/add")
	tab.Upload("#file", file)
	tab.Click("form[action='/ui/catalog/upload'] button")
	tab.At("/ui/images?import=")
	tab.Says("#report", "1 image imported")
	tab.Says("#report", "strange")
	tab.Axe()
}
