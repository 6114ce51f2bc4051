package contract

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"
)

func TestSection06_RefVectors(t *testing.T) {
	c := on(t)
	// Nobody can be asked for these images: ref mismatch tells the derived one without adding it.
	for src, ref := range map[string]string{
		"https://example.com/foo.img.gz":                "8901a5e57899d932786eeee7b6db93ec98a0e2c386cf3dc3541f2203a90f9dbe",
		"oras://ghcr.io/safl/nosi/debian-sysdev:latest": "ecfc56475d8b8affa67d7c6d1297b48b8b2f5c5494b45c8d153e56f608037e7c",
		// Canonical forms of the same.
		"https://EXAMPLE.com:443/foo.img.gz":            "8901a5e57899d932786eeee7b6db93ec98a0e2c386cf3dc3541f2203a90f9dbe",
		"https://example.com:0443/foo.img.gz?":          "8901a5e57899d932786eeee7b6db93ec98a0e2c386cf3dc3541f2203a90f9dbe",
		"https://example.com/foo.img.gz#":               "8901a5e57899d932786eeee7b6db93ec98a0e2c386cf3dc3541f2203a90f9dbe",
		"oras://GHCR.io/Safl/NOSI/debian-sysdev:latest": "ecfc56475d8b8affa67d7c6d1297b48b8b2f5c5494b45c8d153e56f608037e7c",
	} {
		c.Do("POST", "/catalog/entries", map[string]string{"image_url": src, "ref": strings.Repeat("0f", 32)}).Detail(422, "ref mismatch").Is(422, ref, strings.Repeat("0f", 32))
	}
	for _, src := range []string{"oras://ghcr.io/a/b", "oras://ghcr.io:5000/a/b", "oras://ghcr.io/nofolder:t", "http://h:99999/x.img"} {
		c.Do("POST", "/catalog/entries", map[string]string{"image_url": src, "ref": strings.Repeat("0f", 32)}).Detail(400, "")
	}
}

func TestSection06_Add(t *testing.T) {
	c := on(t)
	run := "/" + strings.ReplaceAll(c.FreshMAC(), ":", "")
	digest := strings.Repeat("ab", 32)
	src := c.Origin.Put(run+"/debian-amd64.img.zst", "12345")
	sums := c.Origin.Put(run+"/sums", "\n"+strings.ToUpper(digest)+" *./debian-amd64.img.zst\n"+strings.Repeat("cd", 32)+"  other.img\n")
	entry := c.Add(map[string]any{"image_url": src, "sha_url": sums})
	want := map[string]any{"src": src, "bty_image_ref": entry["bty_image_ref"], "disk_image_sha": digest, "name": "debian-amd64.img.zst", "sha_url": sums,
		"format": "img.zst", "size_bytes": 5.0, "added_at": entry["added_at"]}
	for key, value := range want {
		if !reflect.DeepEqual(entry[key], value) {
			t.Errorf("%s is %v, want %v", key, entry[key], value)
		}
	}
	e := c.Events("kind", "catalog.entry.added", "subject_id", src)
	if len(e) != 1 || e[0]["subject_kind"] != "catalog" || e[0]["actor"] != "operator" {
		t.Fatalf("%v", e)
	}
	c.Keys("catalog.entry.added", e[0]["details"], "name bty_image_ref disk_image_sha format size_bytes")
	c.Do("POST", "/catalog/entries", map[string]any{"image_url": src}).Detail(409, "catalog entry with src="+src+" already exists")
	c.Do("POST", "/catalog/entries", map[string]any{"image_url": src + "?"}).Detail(409, "catalog entry with src="+src+"? already exists")
	for name, test := range map[string]struct {
		body   map[string]any
		status int
		says   string
	}{
		"no file name":         {map[string]any{"image_url": c.Origin.URL}, 422, "image_url must end in a filename component"},
		"no file name, slash":  {map[string]any{"image_url": c.Origin.URL + "/"}, 422, "image_url must end in a filename component"},
		"no sums":              {map[string]any{"image_url": c.Origin.URL + run + "/x.img", "sha_url": c.Origin.URL + run + "/none"}, 400, "could not resolve sha256: "},
		"not in the sums":      {map[string]any{"image_url": c.Origin.URL + run + "/x.img", "sha_url": sums}, 400, "debian-amd64.img.zst"},
		"malformed sums":       {map[string]any{"image_url": c.Origin.URL + run + "/x.img", "sha_url": c.Origin.Put(run+"/bad", "<html>")}, 400, "could not resolve sha256: "},
		"no such oras":         {map[string]any{"image_url": "oras://127.0.0.1:1/a/b:t"}, 400, "could not resolve oras ref: "},
		"another ref than its": {map[string]any{"image_url": c.Origin.URL + run + "/another.img", "ref": digest}, 422, "ref mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			c := on(t)
			c.Do("POST", "/catalog/entries", test.body).Detail(test.status, test.says)
			failed := len(c.Events("kind", "catalog.entry.add.failed", "subject_id", fmt.Sprint(test.body["image_url"])))
			if (test.status == 400) != (failed > 0) {
				t.Errorf("%d events of a failed add", failed)
			}
		})
	}
	if dead := c.Add(map[string]any{"image_url": c.Origin.URL + run + "/gone.qcow2"}); dead["size_bytes"] != nil || dead["format"] != "qcow2" || dead["disk_image_sha"] != nil {
		t.Errorf("an origin that does not have it does not fail the add: %v", dead)
	}
	if folder := c.Add(map[string]any{"image_url": c.Origin.URL + run + "/foo/"}); folder["name"] != "foo" || folder["format"] != nil {
		t.Errorf("%v", folder)
	}
	if quoted := c.Add(map[string]any{"image_url": c.Origin.URL + run + "/a%20b.img"}); quoted["name"] != "a%20b.img" {
		t.Errorf("%v", quoted)
	}
}

func TestSection06_Formats(t *testing.T) {
	c := on(t)
	run := "/" + strings.ReplaceAll(c.FreshMAC(), ":", "")
	for name, want := range map[string]any{"a.img": "img", "a.IMG.ZST": "img.zst", "a.img.xz": "img.xz", "a.img.gz": "img.gz", "a.img.bz2": "img.bz2", "a.qcow2": "qcow2",
		"a.tar.gz": nil, "a.iso": nil, "a.zst": nil} {
		if got := c.Add(map[string]any{"image_url": c.Origin.URL + run + "/" + name})["format"]; got != want {
			t.Errorf("%s: format %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]any{"x86-64.img": "x86_64", "debian-AMD64.img": "x86_64", "aarch64.img": "arm64", "pi-armhf.img": "arm", "riscv64.img": "riscv64", "i686.img": "i386", "plain.img": nil} {
		src := c.Origin.URL + run + "/arch-" + name
		c.Add(map[string]any{"image_url": src})
		if image := c.listed(src); image["arch"] != want {
			t.Errorf("%s: arch %v, want %v", name, image["arch"], want)
		}
	}
}

// listed is how /images lists a source.
func (c Caller) listed(src string) map[string]any {
	c.Helper()
	for _, v := range c.Anonymous("GET", "/images", nil).Is(200).List() {
		if image := obj(v); image["url"] == src {
			return image
		}
	}
	c.Errorf("/images does not list %s", src)
	return nil
}

func TestSection06_Listings(t *testing.T) {
	c := on(t)
	first, second := c.Image("one-amd64.img"), c.Image("one-amd64.img")
	unproven := c.Add(map[string]any{"image_url": c.Origin.URL + "/" + strings.ReplaceAll(c.FreshMAC(), ":", "") + "/unproven"})
	image := c.listed(first["src"].(string))
	want := map[string]any{"name": "one-amd64.img", "format": "img", "url": first["src"], "ref": first["bty_image_ref"], "sha_short": "c0ffee42c0ff", "cached": false, "arch": "x86_64"}
	for key, value := range want {
		if image[key] != value {
			t.Errorf("%s is %v, want %v", key, image[key], value)
		}
	}
	if bare := c.listed(unproven["src"].(string)); bare["format"] != "" || bare["size_bytes"] != 0.0 || bare["sha_short"] != nil {
		t.Errorf("what is not known: %v", bare)
	}
	answer := c.Anonymous("GET", "/catalog.toml", nil).Is(200)
	if answer.Header.Get("Content-Type") != "application/toml" || !strings.HasPrefix(answer.Body, "version = 1\n\n[[images]]\n") || !strings.HasSuffix(answer.Body, "\n") || strings.HasSuffix(answer.Body, "\n\n") {
		t.Errorf("%q %.200q", answer.Header.Get("Content-Type"), answer.Body)
	}
	var parsed struct {
		Version int
		Images  []struct{ Name, Src, Sha256, Format, Arch string }
	}
	if err := toml.Unmarshal([]byte(answer.Body), &parsed); err != nil || parsed.Version != 1 {
		t.Fatalf("%v\n%s", err, answer.Body)
	}
	names := map[string]bool{}
	found := 0
	differs(t, "names are made unique: clients refuse a catalog in which two images have the same one")
	for _, one := range parsed.Images {
		if names[one.Name] {
			t.Errorf("two images are called %s", one.Name)
		}
		names[one.Name] = true
		if strings.Contains(one.Src, "unproven") || one.Sha256 == "" {
			t.Errorf("an image without a digest is listed: %+v", one)
		}
		if one.Src == first["src"] || one.Src == second["src"] || one.Src == c.Origin.Blob(first["src"].(string), "one-amd64.img") || one.Src == c.Origin.Blob(second["src"].(string), "one-amd64.img") {
			found++
		}
	}
	if found != 2 {
		t.Errorf("lists %d of the two images:\n%s", found, answer.Body)
	}
	var times []string
	for _, row := range c.Do("GET", "/catalog/entries", nil).List() {
		times = append(times, obj(row)["added_at"].(string))
	}
	for i := 1; i < len(times); i++ {
		if parseIso(t, times[i]).Before(parseIso(t, times[i-1])) {
			t.Errorf("%s after %s", times[i], times[i-1])
		}
	}
}

func parseIso(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05.999999-07:00", s)
	if err != nil {
		t.Error(err)
	}
	return at
}

func TestSection06_Delete(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	src := c.Bind(mac, "bty-flash-once")["src"].(string)
	differs(t, "an image that machines are bound to is deleted only with force=1")
	c.Do("DELETE", "/catalog/entries?src="+url.QueryEscape(src), nil).Detail(409, mac)
	c.Do("DELETE", "/catalog/entries?force=1&src="+url.QueryEscape(src), nil).Is(204)
	c.Do("DELETE", "/catalog/entries?src="+url.QueryEscape(src), nil).Detail(404, "no catalog entry with src="+src)
	if e := c.Events("kind", "catalog.entry.deleted", "subject_id", src); len(e) != 1 || e[0]["details"] != nil {
		t.Errorf("%v", e)
	}
	c.Script(mac)
	if c.Offered(mac)["reason"] != "orphan_ref" {
		t.Errorf("the machine is an orphan: %v", c.Offered(mac))
	}
}
