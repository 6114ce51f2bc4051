package pages

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bty/internal/testenv/browser"
)

// mirror has a release whose last large file stops half-way until it is let go.
func mirror(t *testing.T) (url string, letGo func()) {
	t.Helper()
	const stem = "/safl/bty/v0.65.4/bty-netboot-pc-x86_64-v0.65.4"
	files, manifest := map[string]string{}, ""
	for _, suffix := range []string{".vmlinuz", ".initrd", ".squashfs"} {
		files[stem+suffix] = strings.Repeat(suffix, 100_000)
		manifest += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(files[stem+suffix])), filepath.Base(stem+suffix))
	}
	files[stem+".sha256"] = manifest
	going := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		half := len(content) / 2
		_, _ = w.Write([]byte(content[:half]))
		_ = http.NewResponseController(w).Flush()
		if strings.HasSuffix(r.URL.Path, ".squashfs") {
			select {
			case <-going:
			case <-r.Context().Done():
				return
			}
		}
		_, _ = w.Write([]byte(content[half:]))
	}))
	letGo = sync.OnceFunc(func() { close(going) })
	t.Cleanup(func() { letGo(); server.Close() })
	return server.URL, letGo
}

// The operator fetches a release, watches it come, cancels it, fetches it again, and the page shows
// what is installed without being loaded again.
func TestNetbootFetch(t *testing.T) {
	url, letGo := mirror(t)
	s := start(t, "BTY_NETBOOT_RELEASE_URL="+url+"/{repo}/{tag}")
	tab := s.tab()
	tab.Look(browser.Desktop)
	tab.Go("/ui/netboot")
	tab.Says("main", "The boot folder is empty")
	tab.Click(`form[action$="/fetch"] button`)
	tab.Says(".notice.good", "The fetch has begun")
	tab.Live()
	tab.Until(`[...document.querySelectorAll(".artifacts li")].some(l => l.textContent.includes(".squashfs") && l.textContent.includes("50 %"))`)
	for _, view := range browser.Views {
		tab.Look(view)
		tab.Axe()
		tab.Shot(picture("netboot-fetching", view))
	}
	tab.Look(browser.Desktop)
	tab.Click(`form[action$="/fetch/cancel"] button`)
	tab.Says(".notice.good", "cancelled")
	tab.Says("#now", "The boot folder is empty")

	tab.Click(`form[action$="/fetch"] button`)
	tab.Live()
	tab.Says(".artifacts", ".squashfs")
	letGo()
	tab.Until(`!document.querySelector(".artifacts") && document.getElementById("now").textContent.includes("Debian, from a release")`)
	if rows := tab.Count(`#now a[download]`); rows != 4 {
		t.Errorf("%d files to download", rows)
	}
	tab.Clean()
}

// A file is uploaded, shows up with its digest, and is deleted after a question.
func TestNetbootUpload(t *testing.T) {
	s := start(t)
	file := filepath.Join(t.TempDir(), "ipxe.efi")
	if err := os.WriteFile(file, []byte("a boot program"), 0o600); err != nil {
		t.Fatal(err)
	}
	tab := s.tab()
	tab.Look(browser.Desktop)
	tab.Go("/ui/netboot?address=10.1.2.3")
	tab.Upload("#file", file)
	tab.Click(`form[action$="/upload"] button`)
	tab.Says(".notice.good", "The files are in the boot folder")
	digest := fmt.Sprintf("%x", sha256.Sum256([]byte("a boot program")))[:12]
	tab.Until(`document.getElementById("now").textContent.includes("` + digest + `")`)
	tab.Click(`#now a[data-dialog]`)
	tab.Says("#dialog", "Delete ipxe.efi?")
	tab.Click("#dialog .btn-danger")
	tab.Says(".notice.good", "The file was deleted")

	// A product's text, with the address that was named.
	tab.Go("/ui/netboot?address=10.1.2.3")
	tab.Click("#dhcp-kea summary")
	tab.Until(`document.getElementById("dhcp-kea").open`)
	tab.Says("#snippet-kea", `"next-server": "10.1.2.3"`)
	tab.Click("#snippet-kea .copy")
	tab.Until(`document.querySelector("#snippet-kea .copy").classList.contains("copied")`)
	tab.Clean()
}
