package proxy

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Who is given which password: each server its own, and none in the clear that is not written down with its port.
func TestSignIn(t *testing.T) {
	auths := map[string]any{}
	for _, server := range []string{"registry.example", "images.example", "images.example:8443", "images.example:80", "[fd00::1]:8080"} {
		auths[server] = map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte("of " + strings.ReplaceAll(server, ":", "-") + ":secret"))}
	}
	text, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for src, want := range map[string]string{
		"https://images.example/a.img":           "of images.example",
		"https://images.example:8443/a.img":      "of images.example:8443",
		"https://images.example:443/a.img":       "of images.example",
		"https://IMAGES.example/a.img":           "of images.example",
		"http://images.example/a.img":            "of images.example:80",
		"http://images.example:80/a.img":         "of images.example:80",
		"http://images.example:8080/a.img":       "",
		"http://registry.example/a.img":          "",
		"https://registry.example/a.img":         "of registry.example",
		"https://registry.example/v2/lab/a":      "", // it says first how to sign in
		"https://sub.images.example/a.img":       "",
		"https://images.example.evil.test/a.img": "",
		"http://[fd00::1]:8080/a.img":            "of [fd00::1]:8080",
	} {
		req, err := http.NewRequest(http.MethodGet, src, nil)
		if err != nil {
			t.Fatal(err)
		}
		SignIn(file)(req)
		if user, _, _ := req.BasicAuth(); user != strings.ReplaceAll(want, ":", "-") {
			t.Errorf("%s is told %q, want %q", src, user, want)
		}
	}
	for _, bad := range []string{"", "/no/such/file"} {
		req, _ := http.NewRequest(http.MethodGet, "https://images.example/a.img", nil)
		if SignIn(bad)(req); req.Header.Get("Authorization") != "" {
			t.Errorf("%q: %s", bad, req.Header)
		}
	}
}
