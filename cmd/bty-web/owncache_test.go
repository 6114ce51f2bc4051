package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bty/internal/catalog"
	"bty/internal/imagecache/peer"
	"bty/internal/wire"
)

// besideCache starts bty-web with a cache on its host, that answers if begin says so.
func besideCache(t testing.TB, begin bool, vars ...string) (*appliance, *peer.Cache) {
	t.Helper()
	port := freePort(t)
	set := map[string]string{"BTY_CACHE_PORT": strconv.Itoa(port)}
	for i := 0; i+1 < len(vars); i += 2 {
		set[vars[i]] = vars[i+1]
	}
	a := prepare(t, set)
	if err := os.MkdirAll(a.run, 0o755); err != nil {
		t.Fatal(err)
	}
	c := &peer.Cache{Socket: filepath.Join(a.run, "cache.sock"), Addr: "127.0.0.1:" + strconv.Itoa(port)}
	t.Cleanup(c.Stop)
	if begin {
		c.Start(t)
	}
	a.begin()
	return a, c
}

func soon(t testing.TB, what string, isSo func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !isSo(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 15 s: %s", what)
		}
	}
}

// A plan leads to the cache of this host, cold or not, at the name by which the machine reached
// bty-web, and names the bytes; an image is fetched once it is bound.
func TestPlanFromTheOwnCache(t *testing.T) {
	t.Parallel()
	a, c := besideCache(t, true, "BTY_BOOT_MAX_ATTEMPTS", "1000")
	soon(t, "the empty catalog is published", func() bool { return c.Puts() == 1 })
	entry := bind(a, "bty-flash-always")
	src, sha := entry["src"].(string), strings.Repeat("cd", 32)
	soon(t, "the image is published", func() bool { return len(c.Sources()) == 1 })
	if s := c.Sources()[0]; s != (wire.CacheSource{Src: src, SHA256: sha, SizeBytes: 5, Name: "debian-x86_64.img.zst"}) {
		t.Errorf("%+v", s)
	}
	soon(t, "it is fetched because it was bound", func() bool { return len(c.Warmed()) == 1 && c.Warmed()[0].Src == src })
	port := a.vars["BTY_CACHE_PORT"]
	plan := a.anonymous("GET", "/pxe/"+mac1+"/plan", nil, "Host", "bty.lab:8080").is(t, 200).object(t)
	if want := catalog.CacheURL("http://bty.lab:"+port, src) + "?sha256=" + sha; plan["image"] != want || plan["disk_image_sha"] != sha {
		t.Errorf("%v, want the image %s", plan, want)
	}
	if got := c.Asked(); !slices.Equal(got, []string{"HEAD " + src + " " + sha}) {
		t.Errorf("the cache was asked %q", got)
	}
	a.anonymous("GET", "/catalog.toml", nil, "Host", "bty.lab:8080").is(t, 200, `src = "`+catalog.CacheURL("http://bty.lab:"+port, src)+"?sha256="+sha+`"`)
	c.Stop()
	begun := time.Now()
	if got := a.plan()["image"]; got != src {
		t.Errorf("after the cache went away: %v", got)
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("a plan beside a cache that went away took %v", took)
	}
	soon(t, "the catalog leads to the origin again", func() bool {
		return strings.Contains(a.anonymous("GET", "/catalog.toml", nil).body, `src = "`+src+`"`)
	})
	c.Start(t)
	soon(t, "it is published again", func() bool { return len(c.Sources()) == 1 })
	soon(t, "plans lead to it again", func() bool { return strings.Contains(a.plan()["image"].(string), "/b/") })
	a.alive()
}

// An image that a rule assigns is fetched, too.
func TestRuleWarms(t *testing.T) {
	a, c := besideCache(t, true)
	soon(t, "the empty catalog is published", func() bool { return c.Puts() == 1 })
	src := origin(a, map[string]string{"/rack.img": "image"}) + "/rack.img"
	ref := a.do("POST", "/catalog/entries", map[string]any{"image_url": src}).is(t, 201).object(t)["bty_image_ref"]
	a.do("PUT", "/api/v1/rules/default", jsonText(fmt.Sprintf(`{"boot_mode":"bty-flash-once","bty_image_ref":%q}`, ref))).is(t, 200)
	soon(t, "it is fetched", func() bool { return len(c.Warmed()) == 1 && c.Warmed()[0].Src == src })
}

// What the API tells of the cache and does with it, and what it says where there is none.
func TestCacheOverTheAPI(t *testing.T) {
	a, c := besideCache(t, false)
	entry := bind(a, "ipxe-exit")
	src, ref := entry["src"].(string), entry["bty_image_ref"]
	warm := map[string]any{"bty_image_ref": ref}
	none := a.do("GET", "/api/v1/cache", nil).is(t, 200, "systemctl enable --now bty-cache.socket").object(t)
	if none["here"] != false || none["status"] != nil || none["url"] != nil {
		t.Errorf("%v", none)
	}
	a.do("POST", "/api/v1/cache/warm", warm).is(t, 409, "systemctl enable --now bty-cache.socket")
	c.Start(t)
	soon(t, "the catalog is published", func() bool { return len(c.Sources()) == 1 })
	a.do("POST", "/api/v1/cache/warm", warm).is(t, 202)
	here := a.do("GET", "/api/v1/cache", nil).is(t, 200).object(t)
	fills := here["status"].(map[string]any)["fills"].([]any)
	if here["here"] != true || here["reason"] != nil || here["url"] != "http://127.0.0.1:"+a.vars["BTY_CACHE_PORT"] || len(fills) != 1 || fills[0].(map[string]any)["src"] != src {
		t.Errorf("%v", here)
	}
	a.do("POST", "/api/v1/cache/pin", map[string]any{"src": src, "pinned": true}).is(t, 404, "not held")
	c.Fill(src, strings.Repeat("cd", 32), 5)
	a.do("POST", "/api/v1/cache/pin", map[string]any{"src": src, "pinned": true}).is(t, 204)
	a.do("POST", "/api/v1/cache/delete", map[string]any{"src": src}).is(t, 204)
	a.do("POST", "/api/v1/cache/delete", map[string]any{"src": src}).is(t, 404)
	a.do("POST", "/api/v1/cache/delete", map[string]any{"src": src, "sha256": strings.Repeat("cd", 32)}).is(t, 422)
	a.do("POST", "/api/v1/cache/delete", map[string]any{}).is(t, 422)
	a.do("POST", "/api/v1/cache/warm", warm).is(t, 202)
	c.Fail(src, "the origin answered 404")
	soon(t, "that it failed is an event", func() bool { return a.count("kind=cache.fill.failed") == 1 })
	for kind, times := range map[string]int{"cache.warm.requested": 2, "cache.pin.changed": 1, "cache.deleted": 1} {
		if e := a.events("kind=" + kind); len(e) != times || e[0]["subject_id"] != src || e[0]["actor"] != "operator" || e[0]["source_ip"] != "127.0.0.1" {
			t.Errorf("%s: %v", kind, e)
		}
	}
	read := a.do("POST", "/api/v1/tokens", map[string]any{"name": "reader", "scope": "read"}).is(t, 201).object(t)["secret"].(string)
	a.anonymous("GET", "/api/v1/cache", nil, "Authorization", "Bearer "+read).is(t, 200)
	a.anonymous("POST", "/api/v1/cache/warm", warm, "Authorization", "Bearer "+read).is(t, http.StatusForbidden)
}
