package proxy

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bty/internal/wire"
)

const hex64 = "29e7604f7a65e02a82f394e42c5713aa77b6fb41558f4d80a0bde18e6c682da6"

func TestAdmit(t *testing.T) {
	var r Rules
	if err := r.Allow([]string{"https://images.example/linux/", "https://mirror.example:8443/one.img", "oras://r.example/group/image",
		"http://[2001:db8::1]/x", "https://any.example"}); err != nil {
		t.Fatal(err)
	}
	r.Publish([]wire.CacheSource{
		{Src: "https://cdn.example/disk.img?v=2", SHA256: hex64, SizeBytes: 7, Rolling: true},
		{Src: "oras://ghcr.io/owner/repo:tag"}, {Src: "file:///srv/images/local.img"}, {Src: "https://user:secret@cdn.example/private.img"},
	})
	for src, want := range map[string]bool{
		"https://images.example/linux/debian.img":         true,
		"https://IMAGES.example:443/linux/debian.img?x=1": true,
		"https://images.example/linux":                    false,
		"https://images.example/linux-evil/x":             false,
		"https://images.example/linux/../secret":          false,
		"https://images.example/linux/%2e%2e/secret":      false,
		"https://images.example/linux/..%2fsecret":        false,
		`https://images.example/linux/..\secret`:          false,
		"https://images.example/linux/..;x=1/secret":      false,
		"https://images.example/linux/a;x=1/b..;":         true,
		"http://images.example/linux/debian.img":          false,
		"https://images.example:8443/linux/debian.img":    false,
		"https://images.example.evil/linux/x":             false,
		"https://images.example@evil.example/linux/x":     false,
		"https://evil.example/https://images.example/":    false,
		"https://images.example./linux/x":                 true, // the same host, with the root's dot
		"https://mirror.example:8443/one.img":             true,
		"https://mirror.example:8443/one.img.evil":        false,
		"https://mirror.example:8443/one.img/part":        true,
		"oras://r.example/group/image:tag":                true,
		"oras://r.example/group/image-other:tag":          false,
		"http://[2001:db8::1]/x":                          true,
		"http://[2001:DB8::1]:80/x/y":                     true,
		"https://any.example/whatever":                    true,
		"https://any.example.evil/whatever":               false,
		"https://cdn.example/disk.img?v=2":                true,
		"https://CDN.example:443/disk.img?v=2":            true,
		"https://cdn.example/disk.img":                    false,
		"https://cdn.example/disk.img?v=3":                false,
		"oras://ghcr.io/owner/repo:tag":                   true,
		"oras://ghcr.io/owner/repo:other":                 false,
		"file:///srv/images/local.img":                    false,
		"file:///etc/passwd":                              false,
		"https://user:secret@cdn.example/private.img":     false,
		"ftp://images.example/linux/x":                    false,
		"gopher://images.example/":                        false,
		"/etc/passwd":                                     false,
		"https:///linux/":                                 false,
		"http://169.254.169.254/latest/meta-data/":        false,
		"http://127.0.0.1:8080/":                          false,
	} {
		if _, err := r.Admit(src); (err == nil) != want {
			t.Errorf("%s: %v, want admitted %v", src, err, want)
		}
	}
	s, err := r.Admit("https://CDN.example/disk.img?v=2")
	if err != nil || s.Src != "https://cdn.example/disk.img?v=2" || s.Digest.String() != hex64 || s.Size != 7 || !s.Rolling {
		t.Errorf("%+v, %v", s, err)
	}
	if r.Len() != 2 || !r.Known("CDN.example") || !r.Known("r.example") || r.Known("evil.example") {
		t.Errorf("%d are published; known: %v", r.Len(), r.names)
	}
	if err := r.Allow([]string{"file:///srv/"}); err == nil {
		t.Error("files are allowed")
	}
	for host, want := range map[string]bool{"images.example": true, "IMAGES.example.": true, "cdn.example": true, "2001:db8::1": true, "images.example..": false, "evil.example": false} {
		if r.Known(host) != want {
			t.Errorf("%s is known: %v", host, !want)
		}
	}
}

// What a beginning allows never leads to another host, whatever follows it.
func FuzzAdmit(f *testing.F) {
	for _, seed := range []string{"a.img", "../x", "%2e%2e/x", "@evil/", ":80@evil/", "?x#y", "\\evil", "//evil", "\x00", "a b", "..;/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, rest string) {
		var r Rules
		if err := r.Allow([]string{"https://images.example/linux/"}); err != nil {
			t.Fatal(err)
		}
		for _, before := range []string{"https://images.example/linux/", "https://images.example", "https://", ""} {
			s, err := r.Admit(before + rest)
			if err != nil {
				continue
			}
			req, err := http.NewRequest(http.MethodGet, s.Src, nil)
			if err != nil {
				continue // the engine refuses it, too
			}
			host := strings.TrimSuffix(strings.ToLower(req.URL.Hostname()), ".")
			if host != "images.example" || !strings.HasPrefix(req.URL.Path, "/linux/") || strings.Contains(req.URL.Path, "/../") || req.URL.User != nil {
				t.Errorf("%q leads to %s%s", before+rest, req.URL.Host, req.URL.Path)
			}
		}
	})
}

func TestAskOf(t *testing.T) {
	const src = "oras://ghcr.io/owner/repo:tag?>"
	ask := func(target string) (ask, error) {
		var got ask
		var err error
		mux := http.NewServeMux()
		for _, p := range []string{"GET /b/{token}", "GET /b/{token}/{name...}", "GET /blob"} {
			mux.HandleFunc(p, func(_ http.ResponseWriter, r *http.Request) { got, err = askOf(r) })
		}
		mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil))
		return got, err
	}
	raw, padded := base64.RawURLEncoding.EncodeToString([]byte(src)), base64.URLEncoding.EncodeToString([]byte(src))
	if raw == padded {
		t.Fatal("the source needs no padding")
	}
	for _, target := range []string{"/b/" + raw, "/b/" + padded, "/b/" + padded + "/", "/b/" + raw + "/any%2Fname/at/all", "/blob?url=oras%3A%2F%2Fghcr.io%2Fowner%2Frepo%3Atag%3F%3E",
		"/b/" + raw + "/n?sha256=" + strings.ToUpper(hex64)} {
		if got, err := ask(target); err != nil || got.src != src || got.digest.IsZero() == strings.Contains(target, "sha256") {
			t.Errorf("%s: %+v, %v", target, got, err)
		}
	}
	for target, says := range map[string]string{
		"/b/!!!": "base64url", "/b/a": "base64url", "/b/" + base64.RawURLEncoding.EncodeToString([]byte("http://h/\xff")): "base64url",
		"/b/" + base64.RawURLEncoding.EncodeToString([]byte("http://h/\n")): "base64url", "/blob": "missing url", "/blob?url=": "missing url",
		"/b/" + raw + "?sha256=12": "64 hex digits", "/b/" + raw + "?sha256=%zz": "cannot be read", "/b/" + raw + "?sha256=" + hex64 + ";": "cannot be read",
		"/blob?url=http://h/" + strings.Repeat("x", maxSource): "8 KiB",
	} {
		if got, err := ask(target); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.80s: %+v, %v", target, got, err)
		}
	}
}

// What was published is there again after a restart; a list that is refused changes nothing.
func TestPublished(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sources.json")
	p := Published{Path: path, Rules: new(Rules)}
	if err := p.Load(); err != nil || p.Rules.Len() != 0 {
		t.Fatal(err)
	}
	if err := p.Put(wire.CacheSources{Sources: []wire.CacheSource{{Src: "https://h/a.img", SHA256: hex64}, {Src: ""}, {Src: "https://h/\n"}}}); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []wire.CacheSource{{Src: "https://h/b", SHA256: "12"}, {Src: "https://h/b", SizeBytes: -1}} {
		if err := p.Put(wire.CacheSources{Sources: []wire.CacheSource{wrong}}); err == nil {
			t.Errorf("%+v was taken", wrong)
		}
	}
	if err := p.Put(wire.CacheSources{Sources: make([]wire.CacheSource, maxSources+1)}); err == nil {
		t.Error("too many were taken")
	}
	again := Published{Path: path, Rules: new(Rules)}
	if err := again.Load(); err != nil || again.Rules.Len() != 1 || p.Rules.Len() != 1 {
		t.Errorf("%v, %d and %d", err, again.Rules.Len(), p.Rules.Len())
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("leftovers: %v, %v", entries, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := again.Load(); err == nil {
		t.Error("half a list was read")
	}
	if err := errors.Join(p.Put(wire.CacheSources{}), os.WriteFile(filepath.Join(dir, ".sources-1"), nil, 0o600), again.Load()); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("what a kill has left of a list stays: %v, %v", entries, err)
	}
	gone := Published{Path: filepath.Join(dir, "none", "sources.json"), Rules: new(Rules)}
	if err := gone.Put(wire.CacheSources{}); err == nil || statusOf(err) != http.StatusServiceUnavailable {
		t.Errorf("without its folder: %v", err)
	}
}
