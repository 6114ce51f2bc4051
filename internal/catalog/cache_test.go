package catalog

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
)

func TestCacheURL(t *testing.T) {
	tests := []struct{ base, src, want string }{
		{"http://c:3000", "oras://ghcr.io/owner/repo:tag", "http://c:3000/b/b3JhczovL2doY3IuaW8vb3duZXIvcmVwbzp0YWc/repo%3Atag"},
		{"http://c:3000", "https://h/", "http://c:3000/b/aHR0cHM6Ly9oLw/download"},
		{"http://c:3000", "https://h", "http://c:3000/b/aHR0cHM6Ly9o/download"},
		{"http://c:3000", "https://h/a/", "http://c:3000/b/aHR0cHM6Ly9oL2Ev/download"},
		{" http://c:3000// ", "https://h/a.img", "http://c:3000/b/aHR0cHM6Ly9oL2EuaW1n/a.img"},
		{"c:3000", "https://h/a.img?x=/y#/z", "http://c:3000/b/aHR0cHM6Ly9oL2EuaW1nP3g9L3kjL3o/a.img"},
		{"https://c/sub/", "oras://h/a/b@sha256:12", "https://c/sub/b/b3JhczovL2gvYS9iQHNoYTI1NjoxMg/b%40sha256%3A12"},
		{"http://c", "https://h/a b", "http://c/b/aHR0cHM6Ly9oL2EgYg/a%20b"},
		{"http://c", "https://h/a%20b", "http://c/b/aHR0cHM6Ly9oL2ElMjBi/a%2520b"},
		{"http://c", "https://h/~ü", "http://c/b/aHR0cHM6Ly9oL37DvA/~%C3%BC"},
		{"http://c", "file://demo.qcow2", "http://c/b/ZmlsZTovL2RlbW8ucWNvdzI/download"},
	}
	for _, test := range tests {
		if got := CacheURL(test.base, test.src); got != test.want {
			t.Errorf("%s in %s:\n%s, want\n%s", test.src, test.base, got, test.want)
		}
	}
}

func FuzzCacheURL(f *testing.F) {
	f.Add("https://h/a%20b?x#y")
	f.Add("oras://ghcr.io/owner/repo:tag")
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, src string) {
		u, err := url.Parse(CacheURL("http://c:3000/", src))
		if err != nil || u.Host != "c:3000" || u.RawQuery != "" || u.Fragment != "" {
			t.Fatalf("%q gives %v, %v", src, u, err)
		}
		parts := strings.Split(u.EscapedPath(), "/")
		if len(parts) != 4 || parts[3] == "" {
			t.Fatalf("%q gives %q", src, parts)
		}
		if back, err := base64.RawURLEncoding.DecodeString(parts[2]); err != nil || string(back) != src {
			t.Errorf("%q comes back as %q", src, back)
		}
		if back := CacheSource(CacheURL("http://c:3000/", src)); back != "" && back != src {
			t.Errorf("%q comes back as the source %q", src, back)
		}
		CacheSource(src)
	})
}

func TestCacheSource(t *testing.T) {
	for _, src := range []string{"oras://ghcr.io/owner/repo:tag", "https://h/a.img?x=/y#/z", "http://h:8080/a%20b", "https://h", "https://h/~ü"} {
		for _, base := range []string{"http://c:3000", "https://c/sub", "http://c/b"} {
			for _, url := range []string{CacheURL(base, src), PinnedCacheURL(base, src, Digest{1})} {
				if got := CacheSource(url); got != src {
					t.Errorf("%s: %q, want %q", url, got, src)
				}
			}
		}
	}
	good := CacheURL("http://c:3000", "https://h/a.img")
	for _, url := range []string{
		"", "a.img", "https://h/a.img", "https://h/b/notes/a.img", "http://c:3000/b/aHR0cHM6Ly9oL2EuaW1n",
		strings.Replace(good, "a.img", "b.img", 1), strings.Replace(good, "/b/", "/x/", 1), good + "/", strings.TrimPrefix(good, "http://"),
		strings.Replace(good, "aHR0", "aHR1", 1), strings.Replace(good, "/a.img", "=/a.img", 1),
		CacheURL("http://c", "file:///etc/a.img"), CacheURL("http://c", "a.img"), CacheURL("http://c", "ftp://h/a.img"), CacheURL("http://c", "https:///a.img"),
		CacheURL("http://c", "https://h/a\n.img"),
	} {
		if got := CacheSource(url); got != "" {
			t.Errorf("%s: %q", url, got)
		}
	}
}
