package main

import (
	"net"
	"reflect"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"bty/internal/catalog"
)

func TestCatalog(t *testing.T) {
	t.Parallel()
	a := start(t, nil)
	digest := strings.Repeat("ab", 32)
	src := origin(t, map[string]string{"/debian-amd64.img.zst": "12345", "/sums": digest + " *./debian-amd64.img.zst\n", "/bad": "<html>\n", "/large": strings.Repeat("x", 1<<20+1)})
	url := src + "/debian-amd64.img.zst"
	ref, _ := catalog.RefOf(url)
	entry := a.do("POST", "/catalog/entries", map[string]any{"image_url": url, "sha_url": src + "/sums", "ref": ref.String()}).is(t, 201).object(t)
	want := map[string]any{"src": url, "bty_image_ref": ref.String(), "disk_image_sha": digest, "name": "debian-amd64.img.zst", "sha_url": src + "/sums",
		"format": "img.zst", "size_bytes": 5.0, "added_at": entry["added_at"]}
	if !reflect.DeepEqual(entry, want) || !strings.HasSuffix(entry["added_at"].(string), "+00:00") {
		t.Errorf("%v", entry)
	}
	want["resolved_src"], want["description"] = url, nil
	if rows := a.do("GET", "/catalog/entries", nil).is(t, 200).list(t); len(rows) != 1 || !reflect.DeepEqual(rows[0], any(want)) {
		t.Errorf("%v", rows)
	}
	shown := map[string]any{"name": "debian-amd64.img.zst", "format": "img.zst", "size_bytes": 5.0, "url": url, "ref": ref.String(), "sha_short": digest[:12], "cached": false, "arch": "x86_64"}
	if images := a.anonymous("GET", "/images", nil).is(t, 200).list(t); !reflect.DeepEqual(images, []any{shown}) {
		t.Errorf("%v", images)
	}
	if e := a.events("kind=catalog.entry.added")[0]; e["subject_kind"] != "catalog" || e["subject_id"] != url || keys(e["details"]) != "bty_image_ref disk_image_sha format name size_bytes" {
		t.Errorf("%v", e)
	}
	a.do("POST", "/catalog/entries", map[string]any{"image_url": url}).is(t, 409, "catalog entry with src="+url+" already exists")
	a.do("POST", "/catalog/entries", map[string]any{"image_url": url + "#"}).is(t, 409, "already exists") // one canonical form
	if n := a.count("kind=catalog.entry.add.failed"); n != 0 {
		t.Error("a duplicate is no event")
	}
	tests := []struct {
		name   string
		body   map[string]any
		status int
		says   string
	}{
		{"ref mismatch", map[string]any{"image_url": src + "/x.img", "ref": digest}, 422, "ref mismatch"},
		{"bare host", map[string]any{"image_url": src}, 422, "image_url must end in a filename component"},
		{"bare folder", map[string]any{"image_url": src + "/"}, 422, "image_url must end in a filename component"},
		{"sums are gone", map[string]any{"image_url": src + "/x.img", "sha_url": src + "/none"}, 400, "could not resolve sha256: "},
		{"sums do not list it", map[string]any{"image_url": src + "/x.img", "sha_url": src + "/sums"}, 400, "could not resolve sha256: "},
		{"sums are HTML", map[string]any{"image_url": src + "/x.img", "sha_url": src + "/bad"}, 400, "malformed"},
		{"sums are too large", map[string]any{"image_url": src + "/x.img", "sha_url": src + "/large"}, 400, "larger than"},
		{"oras", map[string]any{"image_url": "oras://" + closedPort(t) + "/a/b:t"}, 400, "could not resolve oras ref"},
		{"password in the URL", map[string]any{"image_url": "http://u:secret@h/x.img"}, 422, "carries a user name or password"},
		{"password in the sums' URL", map[string]any{"image_url": src + "/x.img", "sha_url": "http://u:secret@h/sums"}, 422, "carries a user name or password"},
		{"bad port", map[string]any{"image_url": "http://h:99999/x.img"}, 400, "invalid image_url"},
		{"dead origin", map[string]any{"image_url": "http://" + closedPort(t) + "/x.qcow2"}, 201, `"size_bytes":null`},
		{"no format", map[string]any{"image_url": src + "/foo/"}, 201, `"name":"foo","sha_url":null,"format":null`},
		{"kept as typed", map[string]any{"image_url": src + "/a%20b.img?sig=1"}, 201, `"name":"a%20b.img"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { a.do("POST", "/catalog/entries", test.body).is(t, test.status, test.says) })
	}
	failed := a.events("kind=catalog.entry.add.failed")
	if len(failed) != 5 || keys(failed[0]["details"]) != "error image_url" || keys(failed[1]["details"]) != "error image_url sha_url" {
		t.Errorf("%v", failed)
	}
	if a.count("failed=1") != 5 {
		t.Error("they ask for attention")
	}
	for _, body := range []string{`{}`, `{"image_url":null}`, `{"image_url":5}`, `{"image_url":"HTTP://h/x"}`, `{"image_url":"ftp://h/x"}`, `{"image_url":"http:///x"}`, `{"image_url":"http://h/a b"}`,
		`{"image_url":"file:///x"}`, `{"image_url":"oras://h"}`, `{"image_url":"http://h/x","sha_url":"oras://h/x:t"}`, `{"image_url":"http://h/x","ref":"x"}`, `{"image_url":"http://h/x","x":1}`,
		`{"image_url":"http://h/x\n"}`} {
		a.do("POST", "/catalog/entries", jsonText(body)).is(t, 422, `"loc"`)
	}
	a.alive()
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestDeleteEntry(t *testing.T) {
	a := start(t, nil)
	entry := bind(a, "bty-flash-once")
	src := entry["src"].(string)
	p := problems(t, a.do("DELETE", "/catalog/entries", nil).is(t, 422))[0]
	if p["type"] != "missing" || place(p) != "query src" {
		t.Errorf("%v", p)
	}
	a.do("DELETE", "/catalog/entries?src=nothing", nil).is(t, 404, "no catalog entry with src=nothing")
	a.do("DELETE", "/catalog/entries?src="+src, nil).is(t, 409, mac1, "force=1")
	a.do("DELETE", "/catalog/entries?force=1&src="+src, nil).is(t, 204)
	if e := a.events("kind=catalog.entry.deleted")[0]; e["details"] != nil || e["subject_id"] != src {
		t.Errorf("%v", e)
	}
	a.restart() // it stays deleted
	if rows := a.do("GET", "/catalog/entries", nil).list(t); len(rows) != 0 {
		t.Errorf("%v", rows)
	}
}

func TestCatalogTOML(t *testing.T) {
	a := start(t, nil)
	if r := a.anonymous("GET", "/catalog.toml", nil).is(t, 200); r.body != "version = 1\n" || r.Header.Get("Content-Type") != "application/toml" {
		t.Errorf("%q %v", r.body, r.Header)
	}
	digest := strings.Repeat("ab", 32)
	one, two := origin(t, map[string]string{"/x.img": "1", "/sums": digest + "  x.img\n"}), origin(t, map[string]string{"/x.img": "2", "/sums": digest + "  x.img\n"})
	for _, src := range []string{one, two} {
		a.do("POST", "/catalog/entries", map[string]any{"image_url": src + "/x.img", "sha_url": src + "/sums"}).is(t, 201)
	}
	a.do("POST", "/catalog/entries", map[string]any{"image_url": one + "/unproven.img"}).is(t, 201)
	r := a.anonymous("GET", "/catalog.toml", nil).is(t, 200)
	var m struct {
		Version int
		Images  []struct{ Name, Src, Sha256 string }
	}
	if err := toml.Unmarshal([]byte(r.body), &m); err != nil || len(m.Images) != 2 || m.Images[0].Name == m.Images[1].Name || m.Images[0].Src != one+"/x.img" {
		t.Errorf("%v\n%s", err, r.body)
	}
	if n := len(a.anonymous("GET", "/images", nil).list(t)); n != 3 {
		t.Errorf("/images lists %d", n)
	}
}

// The image may lie on this same server: adding it must not wait for itself.
func TestImageOnThisServer(t *testing.T) {
	a := start(t, nil)
	digest := strings.Repeat("ab", 32)
	a.do("PUT", "/boot/demo.img.zst", "image").is(t, 200)
	a.do("PUT", "/boot/demo.img.zst.sha256", digest+"  demo.img.zst\n").is(t, 200)
	entry := a.do("POST", "/catalog/entries", map[string]any{"image_url": a.url + "/boot/demo.img.zst", "sha_url": a.url + "/boot/demo.img.zst.sha256"}).is(t, 201).object(t)
	if entry["disk_image_sha"] != digest || entry["size_bytes"] != 5.0 || len(entry["bty_image_ref"].(string)) != 64 {
		t.Errorf("%v", entry)
	}
}
