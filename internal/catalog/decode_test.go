package catalog

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestDecodeTOML(t *testing.T) {
	digest := strings.Repeat("ab", 32)
	raw := `# a comment
version = 1
generated = "ignored"
[[images]]
name = "Debian (x86_64, rolling)"
src = "oras://ghcr.io/Owner/repo:latest"
format = "img.gz"
sha256 = " ` + strings.ToUpper(digest) + ` "
size_bytes = 5
description = "two\nlines"
unknown = { a = 1 }
[[images]]
name = "b-arm64.img.zst"
src = "HTTPS://h/b?sig=1"
ref = "` + func() string { r, _ := RefOf("https://h/b?sig=1"); return r.String() }() + `"
`
	got, err := DecodeTOML([]byte(raw))
	if err != nil || len(got) != 2 || got[0].Err != nil || got[1].Err != nil {
		t.Fatalf("%+v %v", got, err)
	}
	ref := func(src string) ImageRef { r, _ := RefOf(src); return r }
	d, _ := ParseDigest(digest)
	want := []Entry{
		{Ref: ref("oras://ghcr.io/owner/repo:latest"), Src: "oras://ghcr.io/Owner/repo:latest", Name: "Debian (x86_64, rolling)", Format: Gzip, Digest: d, Size: 5,
			Description: "two\nlines", Arch: "x86_64"},
		{Ref: ref("https://h/b?sig=1"), Src: "HTTPS://h/b?sig=1", ResolvedSrc: "HTTPS://h/b?sig=1", Name: "b-arm64.img.zst", Format: Zstd, Arch: "arm64"},
	}
	for i := range want {
		if !reflect.DeepEqual(got[i].Entry, want[i]) {
			t.Errorf("got\n%+v, want\n%+v", got[i].Entry, want[i])
		}
	}
	if empty, err := DecodeTOML([]byte("version = 1\n")); err != nil || len(empty) != 0 {
		t.Errorf("an empty catalog: %v %v", empty, err)
	}
}

func TestNotDecoded(t *testing.T) {
	image := func(lines ...string) string {
		return "version = 1\n[[images]]\n" + strings.Join(lines, "\n") + "\n"
	}
	name, src := `name = "a"`, `src = "https://h/a"`
	tests := []struct{ name, raw, says string }{
		{"empty", "", "version"},
		{"no version", "[[images]]\n", "version"},
		{"version 2", "version = 2\n", "version 2"},
		{"version as text", `version = "1"`, "version"},
		{"version as a fraction", `version = 1.0`, "version"},
		{"version as truth", `version = true`, "version"},
		{"no TOML", "<html>", "is not valid TOML"},
		{"cut off", "version = 1\n[[images]]\nname = \"a", "is not valid TOML"},
		{"no UTF-8", "version = 1\n# \xff\n", "is not valid TOML"},
		{"key twice", "version = 1\nversion = 1\n", "is not valid TOML"},
		{"images as text", "version = 1\nimages = 'x'\n", "images"},
		{"images as a table", "version = 1\n[images]\n", "images"},
		{"images as numbers", "version = 1\nimages = [1]\n", "image 1 is no table"},
		{"no name", image(src), "name is missing"},
		{"no src", image(name), "src is missing"},
		{"empty name", image(`name = ""`, src), "name is empty"},
		{"name as a number", image(`name = 5`, src), "name is no string"},
		{"bad sha256", image(name, src, `sha256 = "ab"`), "sha256"},
		{"sha256 as a number", image(name, src, `sha256 = 5`), "sha256 is no string"},
		{"size as text", image(name, src, `size_bytes = "5"`), "size_bytes"},
		{"negative size", image(name, src, `size_bytes = -5`), "size_bytes"},
		{"file source", image(name, `src = "file:///etc/shadow"`), "file://"},
		{"file source in capitals", image(name, `src = "FILE:///etc/shadow"`), "file://"},
		{"other ref", image(name, src, `ref = "`+strings.Repeat("0", 64)+`"`), "ref"},
		{"ref of no source", image(name, `src = "x"`, `ref = "`+strings.Repeat("0", 64)+`"`), "ref"},
		{"duplicate", image(name, src) + "[[images]]\n" + name + "\n" + src, "duplicate image name"},
		{"endless value", image(name, `src = "https://h/`+strings.Repeat("x", maxText)+`"`), "more than"},
		{"too many", "version = 1\n" + strings.Repeat("[[images]]\n", maxListed+1), "more than"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := DecodeTOML([]byte(test.raw))
			if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "catalog") || strings.Contains(err.Error(), "manifest") {
				t.Errorf("%v %v", got, err)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

// One image that is of no use here does not cost the others.
func TestUnusableImages(t *testing.T) {
	for src, says := range map[string]string{
		"ftp://h/a":            "ftp",
		"oras://ghcr.io/a/b":   "no tag",
		"http://u:secret@h/a":  "user name or password",
		"https://h:99999/a":    "port",
		"relative/a.img":       "scheme",
		"https://h/bundle.tgz": "tar.gz",
	} {
		got, err := DecodeTOML(fmt.Appendf(nil, "version = 1\n[[images]]\nname = 'a'\nsrc = %q\nformat = %q\n[[images]]\nname = 'b'\nsrc = 'https://h/b'\n", src,
			map[bool]string{true: "tar.gz", false: "img"}[strings.HasSuffix(src, ".tgz")]))
		if err != nil || len(got) != 2 || got[0].Err == nil || !strings.Contains(got[0].Err.Error(), says) || strings.Contains(got[0].Err.Error(), "secret") || got[1].Err != nil {
			t.Errorf("%s: %+v %v", src, got, err)
		}
	}
}

func TestEntryURL(t *testing.T) {
	d := Digest{0xab}
	tests := []struct {
		entry Entry
		want  string
	}{
		{Entry{Src: "https://h/a"}, "https://h/a"},
		{Entry{Src: "https://h/a", ResolvedSrc: "https://other/a"}, "https://other/a"},
		{Entry{Src: "oras://h/a/b:t", ResolvedSrc: "https://h/v2/a/b/blobs/x", Digest: d, Manifest: "sha256:1"}, "oras://h/a/b:t"},
		{Entry{Src: "ORAS://h/a/b:t", ResolvedSrc: "https://h/v2/a/b/blobs/x"}, "ORAS://h/a/b:t"},
		{Entry{Src: "oras://h/a/b@sha256:1", Digest: d}, "oras://h/a/b@sha256:1"},
		{Entry{Src: "oras://h/a/b@sha256:1", Digest: d, Manifest: "sha256:1"}, "oras://h/a/b@sha256:" + d.String()},
		{Entry{Src: "file://x"}, "file://x"},
	}
	for _, test := range tests {
		if got := test.entry.URL(); got != test.want {
			t.Errorf("%+v: %s, want %s", test.entry, got, test.want)
		}
	}
}

func FuzzDecodeTOML(f *testing.F) {
	f.Add([]byte("version = 1\n[[images]]\nname = 'a'\nsrc = 'https://h/a'\nsize_bytes = 5\n"))
	f.Add([]byte("version = 1\nimages = [{name='a',src='oras://h/a/b:t'}]\n"))
	f.Add([]byte("version = 1\n[[images]]\nname = \"\\u0000\"\nsrc = 'x'\narch=''\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		listed, err := DecodeTOML(raw)
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
			return
		}
		var entries []Entry
		for _, one := range listed {
			if one.Err == nil && one.Ref.IsZero() {
				t.Errorf("%+v has no identity", one)
			}
			entries = append(entries, one.Entry)
		}
		again, err := DecodeTOML(EncodeTOML(entries, Listing{All: true}))
		if err != nil || len(again) != len(listed) {
			t.Errorf("%d of %d images come back: %v", len(again), len(listed), err)
		}
	})
}
