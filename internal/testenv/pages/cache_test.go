package pages

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bty/internal/catalog"
	"bty/internal/testenv"
	"bty/internal/testenv/browser"
)

// besideCache starts bty-web with the real bty-cache on its host.
func besideCache(t testing.TB) *server {
	t.Helper()
	port := strconv.Itoa(freePort(t))
	s := start(t, "BTY_CACHE_HOST=127.0.0.1", "BTY_CACHE_PORT="+port)
	dir := filepath.Join(filepath.Dir(s.state), "cache")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	log := testenv.NewLog("bty-cache")
	process := exec.Command(cacheProgram)
	process.Env = append(s.command[:len(s.command):len(s.command)], "BTY_CACHE_DIR="+dir, "BTY_CACHE_MIN_FREE=0")
	process.Stdout, process.Stderr, process.SysProcAttr = log, log, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		if err := process.Wait(); err != nil {
			t.Errorf("bty-cache: %v\n%s", err, log.Tail(20))
		}
	})
	return s
}

// slowImages is an origin that gives its images in pieces, each when the test says so.
type slowImages struct {
	*httptest.Server
	more  chan struct{} // a piece each
	gets  atomic.Int32
	piece []byte
}

const pieces = 4

func newSlowImages(t testing.TB) *slowImages {
	o := &slowImages{more: make(chan struct{}, pieces), piece: bytes.Repeat([]byte("image "), 1<<17)}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(pieces*len(o.piece)))
		if r.Method == http.MethodHead {
			return
		}
		o.gets.Add(1)
		for range pieces {
			select {
			case <-o.more:
			case <-r.Context().Done():
				return
			}
			_, _ = w.Write(o.piece)
			_ = http.NewResponseController(w).Flush()
		}
	}))
	t.Cleanup(o.Close)
	return o
}

// An image is fetched into the cache by hand, fills before the reader's eyes, is kept, and deleted.
func TestImageCacheInTheBrowser(t *testing.T) {
	s := besideCache(t)
	o := newSlowImages(t)
	src := o.URL + "/rack.img"
	s.do("POST", "/catalog/entries", map[string]any{"image_url": src})
	ref, err := catalog.RefOf(src)
	if err != nil {
		t.Fatal(err)
	}
	tab := s.tab()
	tab.Go("/ui/images")
	tab.Live()
	tab.Says("#cache", "running") // it came after bty-web, and the page saw it come
	tab.Says("#cache", "The cache is empty")
	tab.Go("/ui/images")
	tab.Click("form[action='/ui/images/cache/warm'] button")
	tab.At("/ui/images?saved=warm")
	tab.Says(".notice.good", "told to fetch it")
	tab.Says("#fills", "rack.img")
	tab.Live()
	for _, percent := range []string{"25 %", "50 %", "75 %"} { // nobody loads the page again
		o.more <- struct{}{}
		tab.Says("#fills", percent)
	}
	fitsThePhone(tab)
	o.more <- struct{}{}
	tab.Says("#blobs", "rack.img")
	tab.Until(`!document.querySelector("#fills")`)
	if n := o.gets.Load(); n != 1 {
		t.Errorf("the origin was asked %d times", n)
	}
	tab.Click("#blobs form[action$='/pin'] button")
	tab.At("/ui/images?saved=kept")
	tab.Says("#blobs", "kept")
	fitsThePhone(tab)
	tab.Go("/ui/images/" + ref.String())
	tab.Says("#cached", "all of it")
	tab.Go("/ui/images")
	tab.Click("#blobs [data-dialog]")
	tab.Says("#dialog", "The catalog keeps the image")
	tab.Click("#dialog .btn-danger")
	tab.At("/ui/images?saved=uncached")
	tab.Says("#cache", "The cache is empty")
	tab.Says("main", "was deleted from the image cache") // in the last events, with who did it

	// A fetch is cancelled from the page of the image.
	tab.Go("/ui/images/" + ref.String())
	tab.Says("#cached", "nothing of it yet")
	tab.Click("#cached button")
	tab.At("/ui/images/" + ref.String() + "?saved=warm")
	tab.Says("#cached", "running")
	tab.Go("/ui/images")
	tab.Click("#fills form[action$='/delete'] button")
	tab.At("/ui/images?saved=uncached")
	tab.Says("#cache", "The cache is empty")
}

// Where there is no cache the page says what one is good for and how to have one.
func TestNoImageCache(t *testing.T) {
	s := start(t)
	tab := s.tab()
	tab.Go("/ui/images")
	tab.Says("#cache", "not there")
	tab.Says("#cache", "systemctl enable --now bty-cache.socket")
	tab.Axe()
}

// The page of the cache works without scripts.
func TestImageCacheWithoutScripts(t *testing.T) {
	s := besideCache(t)
	o := newSlowImages(t)
	for range pieces {
		o.more <- struct{}{}
	}
	s.do("POST", "/catalog/entries", map[string]any{"image_url": o.URL + "/rack.img"})
	s.eventually("the cache is told", func() bool {
		here, _ := s.object("GET", "/api/v1/cache", nil)["here"].(bool)
		return here
	})
	tab := s.tab()
	tab.WithoutScripts()
	tab.Go("/ui/images")
	tab.Click("form[action='/ui/images/cache/warm'] button")
	tab.At("/ui/images?saved=warm")
	s.eventually("it is there", func() bool {
		status, _ := s.object("GET", "/api/v1/cache", nil)["status"].(map[string]any)
		return status != nil && len(status["blobs"].([]any)) == 1
	})
	tab.Go("/ui/images")
	tab.Says("#blobs", "rack.img")
	tab.Click("#blobs a.btn-outline-danger")
	tab.Says("#question", "The catalog keeps the image")
	tab.Click("#question .btn-danger")
	tab.At("/ui/images?saved=uncached")
	tab.Says("#cache", "The cache is empty")
}

// fitsThePhone looks at what is on the screen as on a phone, and goes back to the desk.
func fitsThePhone(tab *browser.Tab) {
	tab.Helper()
	tab.Axe()
	tab.Look(browser.Phone)
	tab.Axe()
	fits(tab)
	tab.Look(browser.Desktop)
}

func (s *server) eventually(what string, isSo func() bool) {
	s.Helper()
	for deadline := time.Now().Add(15 * time.Second); !isSo(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatal(fmt.Sprintf("not within 15 s: %s\n%s", what, s.log.Tail(20)))
		}
	}
}
