package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bty/internal/testenv/registry"
)

// catalogOf is a catalog.toml on the server.
func catalogOf(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "catalog.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tagged is an image by its tag, bound to mac1. Its tag is looked at every second.
type tagged struct {
	*appliance
	reg *registry.Registry
	src string
	at  string // its path in the API
}

func (a *appliance) tagged(t testing.TB, reg *registry.Registry) tagged {
	t.Helper()
	one := tagged{appliance: a, reg: reg, src: "oras://" + reg.Host + "/lab/debian:latest"}
	one.push("first")
	entry := a.do("POST", "/catalog/entries", map[string]any{"image_url": one.src}).is(t, 201).object(t)
	one.at = "/api/v1/images/" + entry["bty_image_ref"].(string)
	put(a, mac1, fmt.Sprintf(`{"boot_mode":"bty-flash-always","bty_image_ref":%q,"target_disk_serial":"S"}`, entry["bty_image_ref"]))
	return one
}

func (t tagged) push(content string) {
	t.reg.Push("lab/debian", "latest", registry.Layer{Type: diskType, Title: "debian.img.zst", Content: content})
}

func (t tagged) image() map[string]any {
	t.Helper()
	return t.do("GET", t.at, nil).is(t, 200).object(t)
}

// next is the digest that the tag leads to beside the image's own, "" if none.
func (t tagged) next() string {
	t.Helper()
	if n, ok := t.image()["next"].(map[string]any); ok {
		return n["disk_image_sha"].(string)
	}
	return ""
}

func lookAtTags(reg *registry.Registry) map[string]string {
	return map[string]string{"BTY_ORAS_PLAIN_HTTP": reg.Host, "BTY_ORAS_TAG_SECONDS": "1", "BTY_BOOT_MAX_ATTEMPTS": "1000"}
}

// A pinned tag that moves is an event and shown; machines get the old bytes, by plan and by source,
// until somebody takes the new ones.
func TestPinnedTagMoves(t *testing.T) {
	t.Parallel()
	reg := registry.Start(t, false)
	a := start(t, lookAtTags(reg))
	one := a.tagged(t, reg)
	if one.image()["rolling"] != false || one.image()["next"] != nil {
		t.Errorf("%v", one.image())
	}
	if plan := a.plan(); plan["image"] != one.src || plan["disk_image_sha"] != sha("first") {
		t.Errorf("%v", plan)
	}
	one.push("second")
	soon(t, "the move is seen", func() bool { return one.next() == sha("second") })
	if plan := a.plan(); plan["disk_image_sha"] != sha("first") || plan["image"] != "oras://"+reg.Host+"/lab/debian@sha256:"+sha("first") {
		t.Errorf("after the tag moved: %v", plan)
	}
	moved := a.events("kind=catalog.tag.moved")
	if len(moved) != 1 || moved[0]["actor"] != "system" || moved[0]["subject_id"] != one.src || !strings.Contains(moved[0]["summary"].(string), "it stays as it is until somebody takes the new one") {
		t.Fatalf("%v", moved)
	}
	page := strings.Replace(one.at, "/api/v1", "/ui", 1)
	a.do("GET", page, nil).is(t, 200, "leads to other bytes", sha("second"), "Take the new one")
	a.restart() // what was seen is not news again
	a.do("PUT", one.at, map[string]any{"take": true}).is(t, 409, mac1)
	if one.image()["disk_image_sha"] != sha("first") {
		t.Error("it was taken although a machine is bound to it")
	}
	a.do("PUT", one.at, map[string]any{"take": true, "force": true}).is(t, 200, sha("second"), `"moved":true`)
	if plan := a.plan(); plan["image"] != one.src || plan["disk_image_sha"] != sha("second") || plan["size_bytes"] != 6.0 {
		t.Errorf("after it was taken: %v", plan)
	}
	a.do("PUT", one.at, map[string]any{"take": true, "force": true}).is(t, 409, "leads to nothing new")
	one.push("third")
	soon(t, "the next move is seen", func() bool { return one.next() == sha("third") })
	one.push("second") // and taken back
	soon(t, "it is no move any more", func() bool { return one.next() == "" })
	if n := a.count("kind=catalog.tag.moved"); n != 2 {
		t.Errorf("%d events of moves", n)
	}
}

// A tag that rolls is taken by itself: at once where there is no cache.
func TestRollingTag(t *testing.T) {
	t.Parallel()
	reg := registry.Start(t, false)
	a := start(t, lookAtTags(reg))
	one := a.tagged(t, reg)
	a.do("PUT", one.at, map[string]any{"rolling": true}).is(t, 200, `"rolling":true`)
	one.push("second")
	soon(t, "it is taken", func() bool { return one.image()["disk_image_sha"] == sha("second") && one.image()["next"] == nil })
	if plan := a.plan(); plan["image"] != one.src || plan["disk_image_sha"] != sha("second") {
		t.Errorf("%v", plan)
	}
	if e := a.events("kind=catalog.entry.changed")[0]; e["actor"] != "system" || !strings.Contains(e["summary"].(string), "as it rolls") {
		t.Errorf("%v", e)
	}
	for src, status := range map[string]int{"https://192.0.2.1/proven.img": 422, "oras://" + reg.Host + "/lab/debian@" + reg.Push("lab/debian", "", registry.Layer{Type: diskType, Content: "x"}): 422} {
		file := fmt.Sprintf("version = 1\n[[images]]\nname = %q\nsrc = %q\nsha256 = %q\n", src, src, strings.Repeat("ab", 32))
		a.do("POST", "/catalog/import?source="+catalogOf(t, file), nil).is(t, 200)
		a.do("PUT", "/api/v1/images/"+ref(t, src), map[string]any{"rolling": true}).is(t, status, "can roll")
	}
}

// With a cache, a tag that rolls is taken when the cache holds all of the new bytes, and not before.
func TestRollingTagThroughTheCache(t *testing.T) {
	t.Parallel()
	reg := registry.Start(t, false)
	var vars []string
	for name, value := range lookAtTags(reg) {
		vars = append(vars, name, value)
	}
	a, c := besideCache(t, true, vars...)
	soon(t, "the catalog is published", func() bool { return c.Puts() == 1 })
	one := a.tagged(t, reg)
	a.do("PUT", one.at, map[string]any{"rolling": true}).is(t, 200)
	soon(t, "it was warmed", func() bool { return len(c.Warmed()) == 1 })
	c.Fill(one.src, sha("first"), 5)
	one.push("second")
	soon(t, "the cache is to fetch the new bytes", func() bool { return len(c.Warmed()) == 2 && c.Warmed()[1].SHA256 == sha("second") })
	if s := c.Sources()[0]; s.SHA256 != sha("first") || s.Rolling {
		t.Errorf("published while the new bytes are on their way: %+v", s)
	}
	for range 3 {
		if plan := a.plan(); plan["disk_image_sha"] != sha("first") || !strings.HasSuffix(plan["image"].(string), "?sha256="+sha("first")) {
			t.Errorf("while the new bytes are on their way: %v", plan)
		}
	}
	c.Fill(one.src, sha("second"), 6)
	soon(t, "it is taken", func() bool { return one.image()["disk_image_sha"] == sha("second") })
	soon(t, "the cache is told", func() bool { return c.Sources()[0].SHA256 == sha("second") })
	if plan := a.plan(); plan["disk_image_sha"] != sha("second") || !strings.HasSuffix(plan["image"].(string), "?sha256="+sha("second")) {
		t.Errorf("afterwards: %v", plan)
	}
}

// A registry that is down is told once, and holds nobody up.
func TestTagsOfADeadRegistry(t *testing.T) {
	t.Parallel()
	reg := registry.Start(t, false)
	a := start(t, map[string]string{"BTY_ORAS_PLAIN_HTTP": reg.Host + ",127.0.0.1:1", "BTY_ORAS_TAG_SECONDS": "1"})
	file := fmt.Sprintf("version = 1\n[[images]]\nname = 'gone'\nsrc = 'oras://127.0.0.1:1/lab/gone:latest'\nsha256 = %q\n", strings.Repeat("ab", 32))
	a.do("POST", "/catalog/import?source="+catalogOf(t, file), nil).is(t, 200)
	const line = "nobody knows where the tag of an image leads"
	soon(t, "it is told", func() bool { return strings.Contains(a.log.String(), line) })
	one := a.tagged(t, reg)
	one.push("second")
	soon(t, "the other tag is looked at all the same", func() bool { return one.next() == sha("second") })
	if n := strings.Count(a.log.String(), line); n != 1 {
		t.Errorf("told %d times", n)
	}
}
