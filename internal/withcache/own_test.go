package withcache

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"bty/internal/catalog"
)

var digest = catalog.Digest{0xab}

// bty-cache of this host counts where no URL is configured; machines reach it at the name by which
// they reached bty-web, and are promised the bytes of the digest.
func TestOwnCache(t *testing.T) {
	base, asked := cache(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("sha256") != digest.String() {
			w.WriteHeader(http.StatusConflict)
		}
	})
	here := false
	addr := strings.TrimPrefix(base, "http://")
	_, port, _ := strings.Cut(addr, ":")
	c := &Cache{Base: func() string { return "" }, HTTP: &http.Client{}, Now: time.Now, Own: Own{Here: func() bool { return here }, Addr: func() string { return addr }}}
	e := catalog.Entry{Src: src, Digest: digest}
	if got := c.Ask(t.Context(), e, "web:8080"); got != (catalog.Cached{Src: src, Digest: digest}) || c.Configured() || c.Listing("web:8080") != (catalog.Listing{}) {
		t.Errorf("while it is away: %+v", got)
	}
	here = true
	for host, name := range map[string]string{"web.lab:8080": "web.lab", "web": "web", "192.0.2.1:80": "192.0.2.1", "[fd00::1]:8080": "[fd00::1]", "[fd00::1]": "[fd00::1]"} {
		want := "http://" + name + ":" + port
		got := c.Ask(t.Context(), e, host)
		if !got.Hit || got.URL != catalog.PinnedCacheURL(want, src, digest) || !strings.HasSuffix(got.URL, "?sha256="+digest.String()) {
			t.Errorf("for %s: %+v", host, got)
		}
		if l := c.Listing(host); l != (catalog.Listing{Cache: want, Pins: true}) {
			t.Errorf("for %s: %+v", host, l)
		}
	}
	before := asked.Load()
	if got := c.Ask(t.Context(), catalog.Entry{Src: src, Digest: catalog.Digest{1}}, "web"); got.Hit || asked.Load() != before+1 {
		t.Errorf("other bytes than the catalog has: %+v", got)
	}
	if got := c.Ask(t.Context(), e, "web"); !got.Hit || !got.Of(e) || got.Of(catalog.Entry{Src: src}) {
		t.Errorf("%+v", got)
	}
	c.Base = func() string { return "http://elsewhere:3000" }
	if l := c.Listing("web"); l != (catalog.Listing{Cache: "http://elsewhere:3000"}) {
		t.Errorf("a URL that is configured counts: %+v", l)
	}
}

// A cache that is configured and names its bytes by their digest is asked for exactly these; one that
// does not say is given the URL of old.
func TestConfiguredCachePins(t *testing.T) {
	tag := `"sha256:` + digest.String() + `"`
	base, _ := cache(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("ETag", tag) })
	e := catalog.Entry{Src: src, Digest: digest}
	if got := at(base).Ask(t.Context(), e, ""); got.URL != catalog.CacheURL(base, src)+"?sha256="+digest.String() {
		t.Errorf("%+v", got)
	}
	tag = `"1234"`
	if got := at(base).Ask(t.Context(), e, ""); !got.Hit || got.URL != catalog.CacheURL(base, src) {
		t.Errorf("%+v", got)
	}
}

// An origin that is slow to say how long an image is keeps that image waiting, and no other.
func TestSlowImageOfTheOwnCache(t *testing.T) {
	release := make(chan struct{})
	base, _ := cache(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/slow.img") {
			<-release
		}
	})
	defer close(release)
	c := &Cache{Base: func() string { return "" }, HTTP: &http.Client{}, Now: time.Now,
		Own: Own{Here: func() bool { return true }, Addr: func() string { return strings.TrimPrefix(base, "http://") }}}
	if got := c.Ask(t.Context(), entry("https://h/slow.img"), "web"); got.Hit {
		t.Errorf("%+v", got)
	}
	begun := time.Now()
	if got := c.Ask(t.Context(), entry("https://h/slow.img"), "web"); got.Hit || time.Since(begun) > time.Second {
		t.Errorf("%+v after %v", got, time.Since(begun))
	}
	if got := c.Ask(t.Context(), entry("https://h/other.img"), "web"); !got.Hit {
		t.Errorf("%+v", got)
	}
}
