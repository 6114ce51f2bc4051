package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bty/internal/catalog"
	"bty/internal/testenv/registry"
)

func ref(t *testing.T, src string) string {
	t.Helper()
	r, err := catalog.RefOf(src)
	if err != nil {
		t.Fatal(err)
	}
	return r.String()
}

const diskType = "application/vnd.nosi.disk-image.layer.v1+gzip"

// An image of a registry is added by its tag, its digest is pinned, and a tag that moves is shown
// and changes no bound machine unasked.
func TestORASImage(t *testing.T) {
	t.Parallel()
	reg := registry.Start(t, false)
	a := start(t, map[string]string{"BTY_ORAS_PLAIN_HTTP": reg.Host})
	first := reg.Push("lab/debian", "latest", registry.Layer{Type: diskType, Title: "debian-arm64.img.zst", Content: "first"},
		registry.Layer{Type: "text/plain", Title: "debian-arm64.img.zst.sha256", Content: "not the image"})
	src := "oras://" + reg.Host + "/lab/debian:latest"
	digest := sha("first")
	entry := a.do("POST", "/catalog/entries", map[string]any{"image_url": src, "sha_url": "http://h/ignored"}).is(t, 201).object(t)
	want := map[string]any{"src": src, "bty_image_ref": ref(t, src), "disk_image_sha": digest, "name": "debian-arm64.img.zst", "sha_url": nil,
		"format": "img.zst", "size_bytes": 5.0, "added_at": entry["added_at"]}
	if !maps.Equal(entry, want) {
		t.Errorf("%v, want %v", entry, want)
	}
	if d := a.events("kind=catalog.entry.added")[0]["details"].(map[string]any); d["oras"] != true || d["disk_image_sha"] != digest {
		t.Errorf("%v", d)
	}
	image := a.do("GET", "/api/v1/images/"+ref(t, src), nil).is(t, 200).object(t)
	if image["manifest"] != first || image["arch"] != "arm64" || image["resolved_src"] != "http://"+reg.Host+"/v2/lab/debian/blobs/sha256:"+digest {
		t.Errorf("%v", image)
	}
	a.anonymous("GET", "/catalog.toml", nil).is(t, 200, `src = "`+src+`"`, digest)
	put(a, mac1, fmt.Sprintf(`{"boot_mode":"bty-flash-always","bty_image_ref":%q,"target_disk_serial":"S"}`, ref(t, src)))
	if p := a.plan(); p["image"] != src || p["disk_image_sha"] != digest || p["format"] != "img.zst" {
		t.Errorf("%v", p)
	}
	path := "/api/v1/images/" + ref(t, src)
	a.do("PUT", path, jsonText(`{"reread":true}`)).is(t, 200, `"moved":false`) // nothing has moved

	second := reg.Push("lab/debian", "latest", registry.Layer{Type: diskType, Title: "debian-arm64.img.zst", Content: "second"})
	checked := a.do("POST", path+"/check", nil).is(t, 200).object(t)["origin"].(map[string]any)
	if checked["moved"] != true || checked["disk_image_sha"] != sha("second") || checked["size_bytes"] != 6.0 || checked["reachable"] != true {
		t.Errorf("%v", checked)
	}
	a.do("PUT", path, jsonText(`{"reread":true}`)).is(t, 409, mac1, digest[:12], sha("second")[:12], "force")
	if p := a.plan(); p["disk_image_sha"] != digest {
		t.Errorf("a refused change changed the plan: %v", p)
	}
	changed := a.do("PUT", path, jsonText(`{"reread":true,"force":true}`)).is(t, 200).object(t)
	if changed["moved"] != true || changed["was_disk_image_sha"] != digest || changed["disk_image_sha"] != sha("second") || changed["manifest"] != second || changed["size_bytes"] != 6.0 {
		t.Errorf("%v", changed)
	}
	if e := a.events("kind=catalog.entry.changed"); len(e) != 1 || e[0]["details"].(map[string]any)["moved"] != true || e[0]["subject_id"] != src || !strings.Contains(e[0]["summary"].(string), "moved") {
		t.Errorf("%v", e)
	}
	if p := a.plan(); p["disk_image_sha"] != sha("second") {
		t.Errorf("%v", p)
	}

	// By the digest of a manifest, or of the blob as existing catalogs have it; existing clients
	// know the second alone.
	pinned := "oras://" + reg.Host + "/lab/debian@"
	a.do("POST", "/catalog/entries", map[string]any{"image_url": pinned + first}).is(t, 201, digest, `"name":"debian-arm64.img.zst"`)
	a.do("POST", "/catalog/entries", map[string]any{"image_url": pinned + "sha256:" + digest}).is(t, 201, digest, `"name":"debian"`, `"format":"img.gz"`)
	put(a, mac1, fmt.Sprintf(`{"boot_mode":"bty-flash-always","bty_image_ref":%q,"target_disk_serial":"S"}`, ref(t, pinned+first)))
	if p := a.plan(); p["image"] != pinned+"sha256:"+digest || p["disk_image_sha"] != digest {
		t.Errorf("%v", p)
	}
}

func TestORASRefused(t *testing.T) {
	reg := registry.Start(t, false)
	a := start(t, map[string]string{"BTY_ORAS_PLAIN_HTTP": "other:1, " + reg.Host})
	one := reg.Push("lab/a", "one", registry.Layer{Type: diskType, Content: "x"})
	reg.PushIndex("lab/a", "index", one)
	for tag, says := range map[string]string{"index": "image index", "none": "not in the registry"} {
		a.do("POST", "/catalog/entries", map[string]any{"image_url": "oras://" + reg.Host + "/lab/a:" + tag}).is(t, 400, "could not resolve oras ref: ", says)
	}
	if n := a.count("kind=catalog.entry.add.failed"); n != 2 {
		t.Errorf("%d failures", n)
	}
	for _, src := range []string{"oras://" + reg.Host + "/lab/a", "oras://" + reg.Host + "/a:b:c"} {
		a.do("POST", "/catalog/entries", map[string]any{"image_url": src}).is(t, 400, "invalid image_url: ")
	}
	a.alive()
}

func TestORASCredentials(t *testing.T) {
	t.Parallel()
	reg := registry.Start(t, true)
	file := filepath.Join(t.TempDir(), "config.json")
	raw, _ := json.Marshal(map[string]any{"auths": map[string]any{reg.Host: map[string]any{"auth": base64.StdEncoding.EncodeToString([]byte(registry.User + ":" + registry.Password))}}})
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	reg.Push("lab/a", "v1", registry.Layer{Type: diskType, Title: "a.img.gz", Content: "x"})
	body := map[string]any{"image_url": "oras://" + reg.Host + "/lab/a:v1"}
	anonymous := start(t, map[string]string{"BTY_ORAS_PLAIN_HTTP": reg.Host})
	anonymous.do("POST", "/catalog/entries", body).is(t, 400, "credentials_file")
	a := start(t, map[string]string{"BTY_ORAS_PLAIN_HTTP": reg.Host, "BTY_ORAS_CREDENTIALS_FILE": file})
	a.do("POST", "/catalog/entries", body).is(t, 201, sha("x"))
	for _, said := range []string{a.log.String(), a.do("GET", "/events", nil).body, a.do("GET", "/api/v1/images", nil).body} {
		if strings.Contains(said, registry.Password) {
			t.Error("the password shows")
		}
	}
}

const manifestHead = "version = 1\n"

func listed(name, src string, more ...string) string {
	return fmt.Sprintf("[[images]]\nname = %q\nsrc = %q\n%s\n", name, src, strings.Join(more, "\n"))
}

func TestImport(t *testing.T) {
	t.Parallel()
	reg := registry.Start(t, false)
	a := start(t, map[string]string{"BTY_ORAS_PLAIN_HTTP": reg.Host})
	reg.Push("lab/a", "v1", registry.Layer{Type: diskType, Title: "a.img.gz", Content: "layer"})
	stated := strings.Repeat("ab", 32)
	file := manifestHead +
		listed("Debian (x86_64, rolling)", "oras://"+reg.Host+"/lab/a:v1", `description = "as the file says"`, `format = "img.gz"`) +
		listed("stated", "oras://"+reg.Host+"/lab/a@sha256:"+sha("layer"), `sha256 = "`+stated+`"`, `size_bytes = 7`) +
		listed("gone", "oras://"+reg.Host+"/lab/none:v1", `arch = "riscv64"`) +
		listed("b.img.xz", "https://h.example/b") +
		listed("bundle", "https://h.example/b.tar.gz", `format = "tar.gz"`) +
		listed("ftp", "ftp://h/x") +
		listed("again", "HTTPS://H.example/b?")
	web := origin(t, map[string]string{"/catalog.toml": file, "/large": manifestHead + strings.Repeat("#", 4<<20), "/html": "<html>"})
	report := a.do("POST", "/catalog/import?source="+web+"/catalog.toml", nil).is(t, 200).object(t)
	if keys(report) != "errors imported skipped source" || report["imported"] != 4.0 || report["skipped"] != 1.0 || report["source"] != web+"/catalog.toml" {
		t.Errorf("%v", report)
	}
	names := []string{}
	for _, e := range report["errors"].([]any) {
		names = append(names, e.(map[string]any)["name"].(string)+": "+e.(map[string]any)["error"].(string))
	}
	all := strings.Join(names, "\n")
	for _, want := range []string{"gone: oras (kept without sha): ", `bundle: "tar.gz"`, "ftp: "} {
		if !strings.Contains(all, want) {
			t.Errorf("the report lacks %q:\n%s", want, all)
		}
	}
	rows := a.do("GET", "/api/v1/images", nil).is(t, 200).list(t)
	found := map[string]map[string]any{}
	for i, row := range rows {
		r := row.(map[string]any)
		found[r["name"].(string)] = r
		if order := []string{"Debian (x86_64, rolling)", "stated", "gone", "b.img.xz"}; r["name"] != order[i] {
			t.Errorf("image %d is %v, want the order of the file", i, r["name"])
		}
	}
	debian, second, gone, plain := found["Debian (x86_64, rolling)"], found["stated"], found["gone"], found["b.img.xz"]
	if debian["disk_image_sha"] != sha("layer") || debian["size_bytes"] != 5.0 || debian["description"] != "as the file says" || debian["arch"] != "x86_64" {
		t.Errorf("%v", debian)
	}
	if second["disk_image_sha"] != stated || second["size_bytes"] != 7.0 {
		t.Errorf("what the file states counts: %v", second)
	}
	if gone["disk_image_sha"] != nil || gone["arch"] != "riscv64" || plain["format"] != "img.xz" || plain["resolved_src"] != "https://h.example/b" {
		t.Errorf("%v %v", gone, plain)
	}
	event := a.events("kind=catalog.entries.imported")[0]
	if d := event["details"].(map[string]any); keys(d) != "errors imported skipped source" || d["imported"] != 4.0 || event["subject_id"] != web+"/catalog.toml" || event["source_ip"] != "127.0.0.1" {
		t.Errorf("%v", event)
	}
	a.anonymous("GET", "/images", nil).is(t, 200, `"arch":"riscv64"`)
	toml := a.anonymous("GET", "/catalog.toml", nil).is(t, 200, `description = "as the file says"`).body
	if strings.Contains(toml, "gone") || !strings.Contains(a.anonymous("GET", "/catalog.toml?all=1", nil).is(t, 200, `arch = "riscv64"`).body, "gone") {
		t.Error("an entry without a digest is listed with all=1 alone")
	}

	path := filepath.Join(t.TempDir(), "my catalog.toml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	reg.Push("lab/catalog", "v1", registry.Layer{Type: "application/toml", Title: "catalog.toml", Content: file})
	for _, source := range []string{path, "file://" + strings.ReplaceAll(path, " ", "%20"), "oras://" + reg.Host + "/lab/catalog:v1"} {
		a.do("POST", "/catalog/import?source="+url.QueryEscape(source), nil).is(t, 200, `"imported":0,"skipped":5`)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for source, says := range map[string]string{
		"ftp://h/x": "scheme", "http://": "failed to fetch catalog from 'http://'", web + "/none": "404", web + "/large": "larger than", web + "/html": "failed to load catalog from",
		"/nonexistent/catalog.toml": "no such file", fifo: "no regular file", "/dev/zero": "no regular file", "/": "no regular file", "relative.toml": "absolute path",
		"file://host/x": "no path on this server", "": "absolute path", "oras://" + reg.Host + "/lab/none:v1": "failed to fetch catalog", "oras://h": "failed to fetch catalog",
		"oras://" + reg.Host + "/lab/a:v1": "is not valid TOML", "http://u:secret@h/x": "user name or password",
	} {
		a.do("POST", "/catalog/import?source="+url.QueryEscape(source), nil).is(t, 400, says)
	}
	if p := problems(t, a.do("POST", "/catalog/import", nil).is(t, 422))[0]; place(p) != "query source" {
		t.Errorf("%v", p)
	}
	if body := a.do("GET", "/events?limit=500", nil).body; strings.Contains(body, "secret") {
		t.Error("a password went into the events")
	}
	a.alive()
}

// The catalog file is taken over at every start; what the operator deleted stays deleted until
// somebody adds it again.
func TestCatalogFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "catalog.toml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	one, two := "https://h.example/one.img.zst", "https://h.example/two.img.zst"
	write(manifestHead + listed("one-arm64", one, `format = "img.zst"`, `sha256 = "`+strings.Repeat("ab", 32)+`"`) + listed("two.img.zst", two) + listed("bad", "ftp://x/y") +
		listed("later", "oras://127.0.0.1:1/lab/a:v1"))
	a := start(t, map[string]string{"BTY_PATHS_CATALOG_FILE": file})
	names := func() string {
		var names []string
		for _, row := range a.do("GET", "/catalog/entries", nil).is(t, 200).list(t) {
			names = append(names, row.(map[string]any)["name"].(string))
		}
		return strings.Join(names, " ")
	}
	if got := names(); got != "one-arm64 two.img.zst later" {
		t.Errorf("after the first start: %s", got)
	}
	if !strings.Contains(a.log.String(), "ftp") {
		t.Errorf("the image that cannot be used is not in the journal: %s", a.log)
	}
	if n := a.count("kind=catalog.entries.imported"); n != 0 {
		t.Error("a start is no import")
	}
	a.do("DELETE", "/catalog/entries?src="+two, nil).is(t, 204)
	a.do("DELETE", "/api/v1/images/"+ref(t, one), nil).is(t, 204)
	a.restart()
	if got := names(); got != "later" {
		t.Errorf("what was deleted came back: %s", got)
	}
	a.do("POST", "/catalog/entries", map[string]any{"image_url": two}).is(t, 201)
	a.do("DELETE", "/catalog/entries?src="+two, nil).is(t, 204)
	a.do("POST", "/catalog/entries", map[string]any{"image_url": two}).is(t, 201)
	a.do("POST", "/catalog/import?source="+file, nil).is(t, 200, `"imported":1`) // asks for all of it
	if got := names(); got != "later two.img.zst one-arm64" {
		t.Errorf("after the import: %s", got)
	}
	write(manifestHead + "[[images]\n")
	a.restart() // goes on
	if !strings.Contains(a.log.String(), "is not valid TOML") {
		t.Errorf("%s", a.log)
	}
	if got := names(); got != "later two.img.zst one-arm64" {
		t.Errorf("after a malformed file: %s", got)
	}
}

func TestChangeImage(t *testing.T) {
	a := start(t, nil)
	sums := map[string]string{"/x-x86_64.img.zst": "12345", "/sums": strings.Repeat("ab", 32) + "  x-x86_64.img.zst\n", "/other": strings.Repeat("cd", 32) + "  x-x86_64.img.zst\n"}
	src := origin(t, sums) + "/x-x86_64.img.zst"
	base := strings.TrimSuffix(src, "/x-x86_64.img.zst")
	a.do("POST", "/catalog/entries", map[string]any{"image_url": src}).is(t, 201)
	path := "/api/v1/images/" + ref(t, src)
	change := func(body string, status int, says ...string) reply {
		t.Helper()
		return a.do("PUT", path, jsonText(body)).is(t, status, says...)
	}
	change(`{}`, 200)
	if n := a.count("kind=catalog.entry.changed"); n != 0 {
		t.Error("nothing was changed")
	}
	change(`{"name":"Debian 13","description":"for the lab\nsecond line","arch":"arm64"}`, 200, `"name":"Debian 13"`, `"arch":"arm64"`, `"machines":[]`)
	change(`{"name":"Debian 13"}`, 200)
	events := a.events("kind=catalog.entry.changed")
	if len(events) != 1 || events[0]["summary"] != "image Debian 13 changed: name, description, arch" || keys(events[0]["details"].(map[string]any)["changed"]) != "arch description name" {
		t.Errorf("%v", events)
	}
	change(`{"reread":true}`, 422, "sha_url")
	put(a, mac1, fmt.Sprintf(`{"boot_mode":"bty-flash-once","bty_image_ref":%q,"target_disk_serial":"S"}`, ref(t, src)))
	// That the digest becomes known writes nothing else than before.
	change(fmt.Sprintf(`{"sha_url":%q}`, base+"/sums"), 200, strings.Repeat("ab", 32), `"size_bytes":5`, mac1)
	change(`{"description":"labels may change at any time"}`, 200)
	change(fmt.Sprintf(`{"sha_url":%q}`, base+"/other"), 409, mac1, "abababababab", "cdcdcdcdcdcd", "force")
	change(`{"format":"img"}`, 409, mac1, "img.zst", "force")
	change(fmt.Sprintf(`{"sha_url":%q,"force":true}`, base+"/other"), 200, `"moved":true`)
	change(`{"format":"img","force":true}`, 200, `"format":"img"`)
	if p := a.plan(); p["disk_image_sha"] != strings.Repeat("cd", 32) || p["format"] != "img" || p["name"] != "Debian 13" {
		t.Errorf("%v", p)
	}
	a.restart() // what was set stays set
	a.anonymous("GET", "/catalog.toml", nil).is(t, 200, `name = "Debian 13"`, `arch = "arm64"`, `description = "labels may change at any time"`)
	change(fmt.Sprintf(`{"sha_url":%q}`, base+"/none"), 400, "could not resolve sha256: ")
	for _, bad := range []string{`{"name":""}`, `{"name":"  "}`, `{"name":"a\nb"}`, `{"name":5}`, `{"arch":"X 86"}`, `{"format":"tar.gz"}`, `{"sha_url":"ftp://h/x"}`, `{"sha_url":"http://u:p@h/x"}`,
		`{"reread":"perhaps"}`, `{"src":"https://h/y"}`, `[]`, fmt.Sprintf(`{"name":%q}`, strings.Repeat("x", 300)), fmt.Sprintf(`{"description":%q}`, strings.Repeat("x", 5000))} {
		change(bad, 422)
	}
	a.do("PUT", "/api/v1/images/"+strings.Repeat("0", 64), jsonText(`{}`)).is(t, 404, "no image")
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		a.do(method, "/api/v1/images/nonsense", jsonText(`{}`)).is(t, 400, "invalid image ref")
		a.do(method, "/api/v1/images/"+strings.Repeat("0", 64), jsonText(`{}`)).is(t, 404, "no image")
	}
	a.do("DELETE", path, nil).is(t, 409, mac1, "force=1")
	a.do("DELETE", path+"?force=1", nil).is(t, 204)
	a.alive()
}

// The catalog does not grow without bound.
func TestFullCatalog(t *testing.T) {
	t.Parallel()
	a := start(t, nil)
	path := filepath.Join(t.TempDir(), "catalog.toml")
	var file strings.Builder
	file.WriteString(manifestHead)
	for i := range 10_000 {
		file.WriteString(listed(fmt.Sprintf("image %d", i), fmt.Sprintf("https://h.example/%d.img.zst", i), `sha256 = "`+strings.Repeat("ab", 32)+`"`))
	}
	for i, text := range []string{file.String(), manifestHead + listed("one more", "https://h.example/more")} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		a.do("POST", "/catalog/import?source="+path, nil).is(t, 200, []string{`"imported":10000`, "the most there can be"}[i])
	}
	a.do("POST", "/catalog/entries", map[string]any{"image_url": "http://127.0.0.1:1/x"}).is(t, 409, "the most there can be")
	a.do("GET", "/ui/images?sort=size&page=400", nil).is(t, 200, "9976-10000 of 10000")
	if n := strings.Count(a.anonymous("GET", "/catalog.toml", nil).is(t, 200).body, "[[images]]"); n != 10_000 {
		t.Errorf("%d images are listed", n)
	}
}

// An upload that cannot be kept takes nothing over.
func TestCatalogFileCannotBeWritten(t *testing.T) {
	a := start(t, map[string]string{"BTY_PATHS_CATALOG_FILE": filepath.Join(t.TempDir(), "gone", "catalog.toml")})
	a.upload("catalog.toml", manifestHead+listed("a", "https://h.example/a")).explains(t, "could%20not%20be%20written", "no%20such%20file")
	if n := len(a.do("GET", "/catalog/entries", nil).list(t)); n != 0 {
		t.Errorf("%d images", n)
	}
}

// A rule that assigns an image counts like a machine that is bound to it.
func TestImageOfARule(t *testing.T) {
	a := start(t, nil)
	src := origin(t, map[string]string{"/x.img.zst": "12345", "/sums": strings.Repeat("ab", 32) + "  x.img.zst\n"})
	image := ref(t, src+"/x.img.zst")
	a.do("POST", "/catalog/entries", map[string]any{"image_url": src + "/x.img.zst"}).is(t, 201)
	a.do("POST", "/api/v1/rules", map[string]any{"name": "rack 1", "mac_prefix": "52:54:00", "boot_mode": "bty-flash-once", "bty_image_ref": image, "target_pick": "only"}).is(t, 201)
	a.do("GET", "/api/v1/images/"+image, nil).is(t, 200, `"machines":[]`, `"rules":["rule \"rack 1\""]`)
	a.do("DELETE", "/api/v1/images/"+image, nil).is(t, 409, `rule \"rack 1\"`)
	a.do("PUT", "/api/v1/images/"+image, jsonText(`{"format":"img"}`)).is(t, 409, `rule \"rack 1\"`)
	a.do("GET", "/ui/images", nil).is(t, 200, "1 rule")
	a.do("GET", "/ui/images/"+image+"/delete", nil).is(t, 200, "rule &#34;rack 1&#34;", "Delete it all the same")
	a.do("DELETE", "/api/v1/images/"+image+"?force=1", nil).is(t, 204)
}

func TestCheckImage(t *testing.T) {
	c := newImageCache(t)
	a := start(t, map[string]string{"BTY_WITHCACHE_URL": c.url})
	src := origin(t, map[string]string{"/x.img.zst": "12345"}) + "/x.img.zst"
	a.do("POST", "/catalog/entries", map[string]any{"image_url": src}).is(t, 201)
	path := "/api/v1/images/" + ref(t, src) + "/check"
	a.do("POST", path, nil).is(t, 200, `"origin":{"reachable":true,"size_bytes":5,"format":"img.zst"}`, `"withcache":{"configured":true,"hit":false,"warmed":true}`)
	c.fill(src)
	a.do("POST", path, nil).is(t, 200, `"withcache":{"configured":true,"hit":true,"warmed":false}`)
	a.do("POST", "/api/v1/images/"+strings.Repeat("0", 64)+"/check", nil).is(t, 404)
	a.do("POST", "/api/v1/images/x/check", nil).is(t, 400)
}

func sha(content string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(content))) }
