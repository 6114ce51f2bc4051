package contract

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
)

// manifest is a catalog.toml of fresh images.
func (c Caller) manifest(run string) (text string, srcs []string) {
	srcs = []string{c.Origin.URL + run + "/m1-amd64.img.zst", c.Origin.URL + run + "/m2.qcow2"}
	text = fmt.Sprintf("version = 1\n\n[[images]]\nname = \"m1\"\nsrc = %q\nsha256 = %q\nformat = \"img.zst\"\nsize_bytes = 77\ndescription = \"the first\"\nfuture = true\n\n[[images]]\nname = \"m2.qcow2\"\nsrc = %q\n",
		srcs[0], strings.ToUpper(strings.Repeat("ab", 32)), srcs[1])
	for _, src := range srcs {
		c.forget(src)
	}
	return text, srcs
}

func (c Caller) run() string { return "/" + strings.ReplaceAll(c.FreshMAC(), ":", "") }

func TestSection06_Import(t *testing.T) {
	c := on(t)
	run := c.run()
	text, srcs := c.manifest(run)
	source := c.Origin.Put(run+"/catalog.toml", text)
	at := "/catalog/import?source=" + url.QueryEscape(source)
	got := c.Do("POST", at, nil).Is(200).Object()
	if got["source"] != source || got["imported"] != 2.0 || got["skipped"] != 0.0 || len(items(got["errors"])) != 0 {
		t.Errorf("%v", got)
	}
	if again := c.Do("POST", at, nil).Is(200).Object(); again["imported"] != 0.0 || again["skipped"] != 2.0 {
		t.Errorf("%v", again)
	}
	if c.Origin.Asked("GET", run+"/m1-amd64.img.zst") != 0 {
		t.Error("an import fetches no image")
	}
	image := c.listed(srcs[0])
	if image["name"] != "m1" || image["format"] != "img.zst" || image["size_bytes"] != 77.0 || image["sha_short"] != "abababababab" {
		t.Errorf("%v", image)
	}
	for _, row := range c.Do("GET", "/catalog/entries", nil).List() {
		if row := obj(row); row["src"] == srcs[0] && row["description"] != "the first" {
			t.Errorf("%v", row)
		}
	}
	e := c.Events("kind", "catalog.entries.imported", "subject_id", source)
	if len(e) != 2 {
		t.Fatalf("%v", e)
	}
	c.Keys("catalog.entries.imported", e[0]["details"], "source imported skipped errors")
	c.Do("POST", "/catalog/import", nil).Problem("missing", "query source")
	for name, bad := range map[string]struct{ source, says string }{
		"no such file": {c.Origin.URL + run + "/none.toml", ""}, "scheme": {"ftp://h/catalog.toml", "scheme"}, "no host": {"http:///catalog.toml", ""},
		"no TOML": {c.Origin.Put(run+"/bad.toml", "<html>"), "is not valid TOML"}, "version": {c.Origin.Put(run+"/v2.toml", "version = 2\n"), "version"},
		"twice":  {c.Origin.Put(run+"/twice.toml", text+strings.TrimPrefix(text, "version = 1\n")), "duplicate image name"},
		"digest": {c.Origin.Put(run+"/digest.toml", "version = 1\n[[images]]\nname = \"x\"\nsrc = \"http://h/x\"\nsha256 = \"zz\"\n"), ""},
		"file":   {c.Origin.Put(run+"/file.toml", "version = 1\n[[images]]\nname = \"x\"\nsrc = \"file:///x\"\n"), ""},
		"ref":    {c.Origin.Put(run+"/ref.toml", "version = 1\n[[images]]\nname = \"x\"\nsrc = \"http://h/x\"\nref = \""+strings.Repeat("0f", 32)+"\"\n"), ""},
		"large":  {c.Origin.Put(run+"/large.toml", "version = 1\n#"+strings.Repeat("x", 5<<20)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			on(t).Do("POST", "/catalog/import?source="+url.QueryEscape(bad.source), nil).Detail(400, bad.says)
		})
	}
}

// multipartFile is a form with one file.
func multipartFile(field, filename, content string) Text {
	const mark = "----contract"
	disposition := fmt.Sprintf("form-data; name=%q", field)
	if filename != "" {
		disposition += fmt.Sprintf("; filename=%q", filename)
	}
	return Text{"multipart/form-data; boundary=" + mark,
		"--" + mark + "\r\nContent-Disposition: " + disposition + "\r\nContent-Type: application/octet-stream\r\n\r\n" + content + "\r\n--" + mark + "--\r\n"}
}

func TestSection06_Upload(t *testing.T) {
	c := on(t)
	text, srcs := c.manifest(c.run())
	c.Do("POST", "/ui/catalog/upload", multipartFile("file", "Catalog.TOML", text)).Leads("/ui/images*")
	c.listed(srcs[0])
	c.listed(srcs[1])
	c.Do("POST", "/ui/catalog/upload", multipartFile("file", "catalog.tml", text)).Leads("/ui/images*") // again: nothing new
}

func TestSection06_FormAndCheck(t *testing.T) {
	c := on(t)
	run := c.run()
	src := c.Origin.Put(run+"/form.img.gz", "12345")
	c.forget(src)
	c.Do("POST", "/ui/catalog/entries", FormOf("image_url", src, "sha_url", "")).Leads("/ui/images*")
	c.listed(src)
	again := c.Do("POST", "/ui/catalog/entries", FormOf("image_url", src)).Leads("/ui/images?error=*")
	if at := again.Header.Get("Location"); !strings.Contains(at, "already+exists") {
		t.Errorf("leads to %q", at)
	}
	check := func(src string) map[string]any {
		return c.Do("POST", "/ui/catalog/entries/check", FormOf("src", src)).Is(200).Object()
	}
	got := check(src)
	if o := obj(got["origin"]); got["src"] != src || o["reachable"] != true || o["size_bytes"] != 5.0 || o["format"] != "img.gz" {
		t.Errorf("%v", got)
	}
	c.Keys("check", got, "src origin withcache checked_at")
	if cache, _ := got["withcache"].(map[string]any); cache["configured"] == nil {
		t.Errorf("%v", got)
	}
	dead := check("http://127.0.0.1:1/x.img")
	if o := obj(dead["origin"]); o["reachable"] != false || o["error"] == "" || o["error"] == nil {
		t.Errorf("%v", dead)
	}
	c.Do("POST", "/ui/catalog/entries/check", FormOf()).Is(422)
}

func TestSection06_FetchRelease(t *testing.T) {
	c := on(t)
	text, srcs := c.manifest(c.run())
	set := func(url string) {
		c.Do("POST", "/ui/settings/upstream", FormOf("netboot_repo", "", "netboot_tag", "", "catalog_url", url)).Leads("/ui/settings?saved=upstream*")
	}
	set(c.Origin.Put(c.run()+"/catalog.toml", text))
	defer set("")
	for range 2 { // again: nothing new
		if answer := c.Do("POST", "/ui/catalog/fetch-release", nil).Leads("/ui/images*"); strings.Contains(answer.Header.Get("Location"), "error=") {
			t.Errorf("leads to %q", answer.Header.Get("Location"))
		}
	}
	c.listed(srcs[0])
	c.listed(srcs[1])
}

// A catalog file is read at the start. What was deleted stays deleted.
func TestSection06_CatalogFile(t *testing.T) {
	dir := t.TempDir()
	file := dir + "/catalog.toml"
	manifest := fmt.Sprintf("version = 1\n[[images]]\nname = \"one\"\nsrc = %q\n[[images]]\nname = \"two\"\nsrc = %q\n", "http://127.0.0.1:1/one.img", "http://127.0.0.1:1/two.img")
	if err := os.WriteFile(file, []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	names := func(c Caller) string {
		var list []string
		for _, v := range c.Anonymous("GET", "/images", nil).Is(200).List() {
			list = append(list, obj(v)["name"].(string))
		}
		return strings.Join(list, " ")
	}
	c, instance := startIn(t, state, "BTY_PATHS_CATALOG_FILE="+file)
	if got := names(c); got != "one two" {
		t.Errorf("%s", got)
	}
	if n := len(c.Events("kind", "catalog.entry.added")); n != 0 {
		t.Errorf("%d events of what a file holds", n)
	}
	c.Do("DELETE", "/catalog/entries?src="+url.QueryEscape("http://127.0.0.1:1/one.img"), nil).Is(204)
	if err := instance.Stop(); err != nil {
		t.Fatal(err)
	}
	differs(t, "an entry that was deleted does not come back from the file")
	c, instance = startIn(t, state, "BTY_PATHS_CATALOG_FILE="+file)
	if got := names(c); got != "two" {
		t.Errorf("%s", got)
	}
	if err := instance.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("<html>"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, instance = startIn(t, state, "BTY_PATHS_CATALOG_FILE="+file) // is no reason not to start
	if got := names(c); got != "two" {
		t.Errorf("%s", got)
	}
}
