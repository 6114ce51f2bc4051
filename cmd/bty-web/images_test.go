package main

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bty/internal/testenv/registry"
)

// upload sends a catalog.toml as a browser does. A name of "-" leaves the file out.
func (a *appliance) upload(name, content string, fields ...string) reply {
	a.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for i := 0; i+1 < len(fields); i += 2 {
		_ = form.WriteField(fields[i], fields[i+1])
	}
	if name != "-" {
		part, err := form.CreateFormFile("file", name)
		if err != nil {
			a.Fatal(err)
		}
		_, _ = part.Write([]byte(content))
	}
	form.Close()
	return a.do("POST", "/ui/catalog/upload", &b, "Content-Type", form.FormDataContentType())
}

// leadsTo checks where a 303 leads.
func (r reply) leadsTo(t testing.TB, to string) reply {
	t.Helper()
	r.is(t, 303)
	if got := r.Header.Get("Location"); got != to && !(strings.HasSuffix(to, "*") && strings.HasPrefix(got, strings.TrimSuffix(to, "*"))) {
		t.Errorf("%s leads to %q, want %q", r.Request.URL.Path, got, to)
	}
	return r
}

func (r reply) explains(t testing.TB, words ...string) {
	t.Helper()
	r.leadsTo(t, "/ui/images?error=*")
	for _, word := range words {
		if !strings.Contains(r.Header.Get("Location"), word) {
			t.Errorf("%s does not say %q", r.Header.Get("Location"), word)
		}
	}
}

func TestUploadCatalog(t *testing.T) {
	t.Parallel()
	a := start(t, nil)
	file := filepath.Join(a.state, "catalog.toml")
	good := manifestHead + listed("a.img.zst", "https://h.example/a.img.zst") + listed("bad", "ftp://h/x")
	a.upload("Catalog.TOML", good).leadsTo(t, "/ui/images")
	stored := func() string {
		t.Helper()
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	if stored() != good {
		t.Error("the upload is not the catalog file")
	}
	event := a.events("kind=catalog.entries.imported")[0]
	if d := event["details"].(map[string]any); event["subject_id"] != "<upload>" || d["source"] != "<upload>" || d["imported"] != 1.0 || len(d["errors"].([]any)) != 1 {
		t.Errorf("%v", event)
	}
	a.upload("x.tml", good).leadsTo(t, "/ui/images")
	for _, test := range []struct {
		name, content string
		words         []string
	}{
		{"-", "", []string{"no%20file%20in%20upload"}},
		{"catalog.json", good, []string{"unexpected%20file%20extension"}},
		{"catalog.toml", "", []string{"upload%20was%20empty"}},
		{"catalog.toml", "nonsense", []string{"catalog%20parse%20failed", "is%20not%20valid%20TOML"}},
		{"catalog.toml", "version = 2\n", []string{"parse%20failed", "version"}},
		{"catalog.toml", good + listed("a.img.zst", "https://h.example/b"), []string{"duplicate%20image%20name"}},
		{"catalog.toml", good + listed("c", "file:///etc/passwd"), []string{"parse%20failed", "file"}},
		{"catalog.toml", good + strings.Repeat("#", 1<<20), []string{"exceeded"}},
		{"catalog.toml", good + strings.Repeat("#", 3<<20), []string{"exceeded"}},
	} {
		a.upload(test.name, test.content).explains(t, test.words...)
	}
	a.do("POST", "/ui/catalog/upload", url.Values{"file": {"x"}}).explains(t, "no%20file%20in%20upload")
	a.do("POST", "/ui/catalog/upload", nil).explains(t, "no%20file%20in%20upload")
	if stored() != good {
		t.Error("a bad upload touched the catalog file")
	}
	if left, _ := filepath.Glob(filepath.Join(a.state, ".catalog-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if n := a.count("kind=catalog.entries.imported"); n != 2 {
		t.Errorf("%d imports", n)
	}
	// Our own page is told what became of each image.
	r := a.upload("catalog.toml", good+listed("new", "https://h.example/new"), "page", "1").leadsTo(t, "/ui/images?import=*")
	a.do("GET", r.Header.Get("Location"), nil).is(t, 200, "1 image imported", "1 image was", "ftp")
	a.upload("catalog.json", good, "page", "1").is(t, 422, "unexpected file extension", `name="image_url"`)
	for _, id := range []string{"0", "1", "999999", "x", "-1"} {
		if body := a.do("GET", "/ui/images?import="+id, nil).is(t, 200).body; strings.Contains(body, `id="report"`) {
			t.Errorf("import=%s shows a report", id)
		}
	}
	a.restart()
	if n := len(a.do("GET", "/catalog/entries", nil).list(t)); n != 2 {
		t.Errorf("%d images", n)
	}
}

func TestFetchRelease(t *testing.T) {
	good := manifestHead + listed("a.img.zst", "https://h.example/a.img.zst")
	files := map[string]string{"/catalog.toml": good, "/empty": "", "/bad": "<html>", "/large": good + strings.Repeat("#", 1<<20)}
	web := origin(t, files)
	a := start(t, nil)
	set := func(path string) {
		t.Helper()
		a.do("POST", "/ui/settings/upstream", url.Values{"netboot_repo": {""}, "netboot_tag": {""}, "catalog_url": {web + path}}).is(t, 303)
	}
	fetch := func() reply { return a.do("POST", "/ui/catalog/fetch-release", nil) }
	set("/catalog.toml")
	fetch().leadsTo(t, "/ui/images")
	fetch().leadsTo(t, "/ui/images") // once more is no error
	events := a.events("kind=catalog.entries.imported")
	if len(events) != 2 || events[1]["source_ip"] != nil && events[1]["source_ip"] != "" || events[1]["subject_id"] != web+"/catalog.toml" || events[0]["details"].(map[string]any)["skipped"] != 1.0 {
		t.Errorf("%v", events)
	}
	for path, word := range map[string]string{"/none": "release%20fetch%20failed", "/empty": "fetched%20catalog%20was%20empty", "/bad": "fetched%20catalog%20parse%20failed", "/large": "fetched%20catalog%20exceeded"} {
		set(path)
		fetch().explains(t, word)
	}
	if raw, err := os.ReadFile(filepath.Join(a.state, "catalog.toml")); err != nil || string(raw) != good {
		t.Errorf("%q %v", raw, err)
	}
}

func TestAddForm(t *testing.T) {
	t.Parallel()
	a := start(t, nil)
	web := origin(t, map[string]string{"/x.img.zst": "12345"})
	add := func(fields ...string) reply {
		t.Helper()
		form := url.Values{}
		for i := 0; i+1 < len(fields); i += 2 {
			form.Set(fields[i], fields[i+1])
		}
		return a.do("POST", "/ui/catalog/entries", form)
	}
	add("image_url", web+"/x.img.zst", "sha_url", "").leadsTo(t, "/ui/images")
	add("image_url", web+"/x.img.zst").explains(t, "already+exists")
	if e := a.events("kind=catalog.entry.add.failed"); len(e) != 1 || e[0]["details"].(map[string]any)["error"] != "already exists" || keys(e[0]["details"]) != "error name" {
		t.Errorf("%v", e)
	}
	add("image_url", "ftp://h/x").explains(t, "image_url")
	add("image_url", web+"/").explains(t, "filename%20component")
	add("image_url", web+"/y.img", "sha_url", web+"/none").explains(t, "could%20not%20resolve%20sha256")
	add("image_url", web+"/y.img", "sha_url", "oras://h/x:y").explains(t, "sha_url")
	add("image_url", "oras://"+closedPort(t)+"/a/b:t").explains(t, "could%20not%20resolve%20oras%20ref")
	add("image_url", "http://u:secret@h/x").explains(t, "password")
	for _, form := range []url.Values{{}, {"image_url": {""}}, {"url": {"x"}}} {
		a.do("POST", "/ui/catalog/entries", form).is(t, 422)
	}
	add("image_url", web+"/z.img", "page", "1").leadsTo(t, "/ui/images/"+ref(t, web+"/z.img")+"?saved=added")
	add("image_url", "ftp://h/<script>", "page", "1").is(t, 422, "ftp://h/&lt;script&gt;", "image_url is")
	a.do("POST", "/ui/catalog/import", url.Values{"source": {"/none.toml"}, "page": {"1"}}).is(t, 422, "failed to load catalog from")
	a.do("POST", "/ui/catalog/import", url.Values{"source": {"/none.toml"}}).explains(t, "failed%20to%20load%20catalog")
	a.do("POST", "/ui/catalog/import", url.Values{}).is(t, 422)
}

// Who is not signed in is led to the sign-in page, but for the two forms that scripts send.
func TestCatalogFormsOfStrangers(t *testing.T) {
	a := start(t, nil)
	for _, path := range []string{"/ui/catalog/upload", "/ui/catalog/fetch-release"} {
		a.anonymous("POST", path, nil).is(t, 401, `{"detail":"login required"}`)
	}
	for _, path := range []string{"/ui/catalog/entries", "/ui/catalog/entries/check", "/ui/catalog/import", "/ui/images/" + strings.Repeat("0", 64), "/ui/images/x/delete", "/ui/images/x/check"} {
		a.anonymous("POST", path, url.Values{"src": {"x"}}).leadsTo(t, "/ui/login*")
	}
	a.anonymous("POST", "/catalog/import?source=/etc/passwd", nil).is(t, 401)
}

func TestCheckSource(t *testing.T) {
	c := newImageCache(t)
	reg := registry.Start(t, false)
	reg.Push("lab/a", "v1", registry.Layer{Type: diskType, Title: "a.img.zst", Content: "layer"})
	a := start(t, map[string]string{"BTY_ORAS_PLAIN_HTTP": reg.Host, "BTY_WITHCACHE_URL": c.url})
	web := origin(t, map[string]string{"/x.img.zst": "12345", "/y": "1"})
	check := func(src string) map[string]any {
		t.Helper()
		o := a.do("POST", "/ui/catalog/entries/check", url.Values{"src": {src}}).is(t, 200).object(t)
		if keys(o) != "checked_at origin src withcache" || o["src"] != src || !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$`).MatchString(o["checked_at"].(string)) {
			t.Errorf("%v", o)
		}
		return o
	}
	c.fill(web + "/y")
	for src, want := range map[string]string{
		web + "/x.img.zst":                 `map[format:img.zst reachable:true size_bytes:5] map[configured:true hit:false warmed:true]`,
		web + "/y":                         `map[format:<nil> reachable:true size_bytes:1] map[configured:true hit:true warmed:false]`,
		"oras://" + reg.Host + "/lab/a:v1": `map[disk_image_sha:` + sha("layer") + ` format:img.zst reachable:true size_bytes:5] map[configured:true hit:false warmed:true]`,
	} {
		if o := check(src); fmt.Sprint(o["origin"], " ", o["withcache"]) != want {
			t.Errorf("%s: %v %v, want %s", src, o["origin"], o["withcache"], want)
		}
	}
	for _, src := range []string{web + "/none", "http://" + closedPort(t) + "/x", "file:///etc/passwd", "ftp://h/x", "nonsense", "oras://" + reg.Host + "/lab/none:v1", "oras://h"} {
		if o := check(src)["origin"].(map[string]any); o["reachable"] != false || o["error"] == "" || keys(o) != "error reachable" {
			t.Errorf("%s: %v", src, o)
		}
	}
	if w := check("file:///x")["withcache"].(map[string]any); keys(w) != "applicable configured" || w["applicable"] != false {
		t.Errorf("%v", w)
	}
	if body := a.do("POST", "/ui/catalog/entries/check", url.Values{"src": {"http://u:secret@h/x"}}).is(t, 200).body; strings.Contains(body, "secret") {
		t.Error(body)
	}
	a.do("POST", "/ui/catalog/entries/check", url.Values{}).is(t, 422)
	plain := start(t, nil)
	plain.do("POST", "/ui/catalog/entries/check", url.Values{"src": {web + "/y"}}).is(t, 200, `"withcache":{"configured":false}`)
}

// The pages of images, as a browser without scripts has them.
func TestImagePages(t *testing.T) {
	a := start(t, nil)
	a.do("GET", "/ui/images", nil).is(t, 200, "No image yet", "/ui/images/add")
	sums := map[string]string{"/x.img.zst": "12345", "/sums": strings.Repeat("ab", 32) + "  x.img.zst\n", "/other": strings.Repeat("cd", 32) + "  x.img.zst\n"}
	web := origin(t, sums)
	src := web + "/x.img.zst"
	a.do("POST", "/catalog/entries", map[string]any{"image_url": src, "sha_url": web + "/sums"}).is(t, 201)
	for i := range 30 {
		a.do("POST", "/catalog/entries", map[string]any{"image_url": fmt.Sprintf("http://127.0.0.1:1/<b>%02d.qcow2", i)}).is(t, 201)
	}
	page := "/ui/images/" + ref(t, src)
	put(a, mac1, fmt.Sprintf(`{"boot_mode":"bty-flash-once","bty_image_ref":%q,"target_disk_serial":"S"}`, ref(t, src)))
	a.do("GET", "/ui/images", nil).is(t, 200, "1-25 of 31", "&lt;b&gt;00.qcow2")
	list := a.do("GET", "/ui/images?filter=bound", nil).is(t, 200, "1 machine", strings.Repeat("ab", 6), "/ui/machines?q="+ref(t, src)).body
	if list, _, _ = strings.Cut(list, "Last events"); strings.Contains(list, "qcow2") {
		t.Error("the filter lets others through")
	}
	a.do("GET", "/ui/machines?q="+ref(t, src), nil).is(t, 200, mac1, "1-1 of 1") // where the number of machines leads
	a.do("GET", "/ui/images?q=ABABAB", nil).is(t, 200, "x.img.zst", "1-1 of 1")
	a.do("GET", "/ui/images?q=nothing-like-it", nil).is(t, 200, "Nothing matches")
	a.do("GET", "/ui/images?sort=size&page=2&per_page=10", nil).is(t, 200, "11-20 of 31")
	if body := a.do("GET", "/ui/images?sort=size&per_page=10", nil).body; !strings.Contains(body, "x.img.zst") {
		t.Error("what is not known comes last")
	}
	a.do("GET", page, nil).is(t, 200, strings.Repeat("ab", 32), "1 machine is")

	form := func(fields ...string) url.Values {
		v := url.Values{}
		for i := 0; i+1 < len(fields); i += 2 {
			v.Set(fields[i], fields[i+1])
		}
		return v
	}
	a.do("POST", page, form("name", "Debian <13>", "description", "d", "arch", "arm64", "format", "img.zst", "sha_url", web+"/sums")).leadsTo(t, page+"?saved=changed")
	a.do("GET", page+"?saved=changed", nil).is(t, 200, "Saved.", "Debian &lt;13&gt;", "arm64")
	a.do("POST", page, form("name", "")).leadsTo(t, page+"?error=*")
	a.do("POST", page, form("reread", "1")).leadsTo(t, page+"?saved=same")
	question := a.do("POST", page, form("sha_url", web+"/other", "name", "kept")).is(t, 200, mac1, `name="force" value="1"`, `name="sha_url" value="`+web+`/other"`, `name="name" value="kept"`, "Change it").body
	if !strings.Contains(question, "abababababab") || !strings.Contains(question, "cdcdcdcdcdcd") {
		t.Error("the question does not say what would change")
	}
	a.do("POST", page, form("sha_url", web+"/other", "name", "kept", "force", "1")).leadsTo(t, page+"?saved=changed")
	a.do("GET", page, nil).is(t, 200, strings.Repeat("cd", 32), "kept")
	a.do("POST", page+"/check", nil).is(t, 200, "origin answers", "5 B")
	if r := a.do("POST", page+"/check", nil, "HX-Request", "true").is(t, 200, "origin answers"); strings.Contains(r.body, "<html") {
		t.Error("a script gets the whole page")
	}
	a.do("GET", page+"/delete", nil).is(t, 200, mac1, "Delete it all the same", `name="force" value="1"`)
	a.do("POST", page+"/delete", url.Values{}).leadsTo(t, "/ui/images?error=*")
	a.do("POST", page+"/delete", form("force", "1")).leadsTo(t, "/ui/images?saved=deleted")
	other := "/ui/images/" + ref(t, "http://127.0.0.1:1/<b>00.qcow2")
	if body := a.do("GET", other+"/delete", nil).is(t, 200, "No machine is bound").body; strings.Contains(body, "force") {
		t.Error("nothing needs to be forced")
	}
	a.do("POST", other+"/delete", url.Values{}).leadsTo(t, "/ui/images?saved=deleted")
	for _, path := range []string{page, page + "/delete"} {
		a.do("GET", path, nil).is(t, 404)
	}
	a.do("GET", "/ui/images/nonsense", nil).is(t, 400)
	a.do("POST", "/ui/images/nonsense/delete", url.Values{}).is(t, 400)
	a.do("POST", page+"/delete", url.Values{}).leadsTo(t, "/ui/images?error=*")
	a.do("POST", page, url.Values{}).is(t, 404)
	a.do("GET", "/ui/images/add", nil).is(t, 200, `action="/ui/catalog/upload"`, `action="/ui/catalog/fetch-release"`, `action="/ui/catalog/import"`, "catalog.toml")
}
