package oras

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// signedIn gives a client the password of a host.
func signedIn(t *testing.T, c *Client, host string) {
	t.Helper()
	auth := base64.StdEncoding.EncodeToString([]byte("lab:secret-password"))
	raw, _ := json.Marshal(map[string]any{"auths": map[string]any{host: map[string]any{"auth": auth}}})
	c.CredentialsFile = filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(c.CredentialsFile, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// challenge is a registry that sends for a token to a realm.
func challenge(realm string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s",service="test"`, strings.ReplaceAll(realm, "HOST", r.Host)))
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// tokens is a registry whose token service answers so.
func tokens(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			challenge("http://HOST/token")(w, r)
			return
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// echo answers with an error that repeats what the registry was told.
func echo(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(status)
		_, password, _ := r.BasicAuth()
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]any{
			"code": "DENIED", "message": "no entry for " + password + " " + r.Header.Get("Authorization"), "detail": password}}})
	}
}

func manifestOf(body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		fmt.Fprint(w, body)
	}
}

// Whatever a registry answers: the error names the registry, the reference and what to do, and
// nothing that was secret.
func TestAnswers(t *testing.T) {
	oneLayer := fmt.Sprintf(`{"layers":[{"mediaType":"x","digest":%q,"size":1}]}`, sum("x"))
	away := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, strings.ReplaceAll(to, "HOST", r.Host), http.StatusFound)
		}
	}
	const signIn = "put its credentials into the file"
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		by     string // ":v1" unless it says otherwise
		says   string
		passes bool // may be otherwise a little later
	}{
		"401 without a challenge": {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, says: signIn},
		"401 with an odd challenge": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", "Negotiate")
			w.WriteHeader(401)
		}, says: signIn},
		"401 although signed in": {answer: echo(401), says: signIn},
		"403 with an echo":       {answer: echo(403), says: "403 Forbidden, DENIED"},
		"400 with an echo":       {answer: echo(400), says: "check that this host is an OCI registry"},
		"404":                    {answer: echo(404), says: "check owner, repository and tag"},
		"429":                    {answer: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "1"); w.WriteHeader(429) }, says: "name a mirror", passes: true},
		"503 with an echo":       {answer: echo(503), says: "try again later", passes: true},
		"501":                    {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(501) }, says: "is failing", passes: true},
		"a web server":           {answer: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Welcome</html>") }, says: "check that this host is an OCI registry"},

		"realm on another scheme": {answer: challenge("ftp://HOST/token"), says: "token"},
		"realm is a file":         {answer: challenge("file:///etc/passwd"), says: "token"},
		"realm is no URL":         {answer: challenge("http://[::1"), says: "token"},
		"realm is empty":          {answer: challenge(""), says: "token"},
		"realm at the cloud":      {answer: challenge("http://169.254.169.254/latest"), says: "token"},
		"realm on loopback":       {answer: challenge("http://127.9.9.9/token"), says: "token"},
		"realm is endless":        {answer: challenge("x://" + strings.Repeat("x", 500_000)), says: "token"},
		"token: 401":              {answer: tokens(401, "secret-password"), says: signIn},
		"token: 403":              {answer: tokens(403, `{"errors":[{"code":"DENIED","message":"secret-password"}]}`), says: signIn},
		"token: 404":              {answer: tokens(404, ""), says: "token"},
		"token: 500":              {answer: tokens(500, ""), says: "try again later", passes: true},
		"token: no JSON":          {answer: tokens(200, "<html>"), says: "token"},
		"token: empty":            {answer: tokens(200, "{}"), says: "token"},
		"token: endless":          {answer: tokens(200, `{"token":"`+strings.Repeat("x", 2<<20)), says: "token"},
		"token: not good":         {answer: tokens(200, `{"token":"secret-token"}`), says: signIn},
		"token: with line breaks": {answer: tokens(200, `{"token":"secret-token\r\nX: y"}`), says: "token"},
		"redirect in circles":     {answer: away("http://HOST/again"), says: "redirects"},
		"redirect to a file":      {answer: away("file:///etc/passwd"), says: "nothing can be asked"},
		"redirect to nowhere":     {answer: away("http://no-such-host.invalid/secret?sig=secret"), says: "HOST", passes: true},
		"manifest of another":     {answer: manifestOf(oneLayer), by: "@" + sum("another"), says: "another digest"},
		"manifest with a lie":     {answer: manifestOf(oneLayer, "Docker-Content-Digest", sum("another")), says: "another digest"},
		"manifest of no type":     {answer: manifestOf("hello", "Content-Type", "text/plain"), says: "OCI registry"},
		"manifest cut short":      {answer: manifestOf(oneLayer[:20]), says: "not JSON"},
		"an index":                {answer: manifestOf(`{"manifests":[{"digest":"` + sum("m") + `"}]}`), says: "name one of them by digest"},
		"a chart":                 {answer: manifestOf(strings.Replace(oneLayer, `"x"`, `"application/vnd.cncf.helm.chart.content.v1.tar+gzip"`, 1)), says: "helm"},
		"a signature":             {answer: manifestOf(strings.Replace(oneLayer, `"x"`, `"application/vnd.dev.cosign.simplesigning.v1+json"`, 1)), says: "cosign"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, src, _ := fake(t, tc.answer)
			host, _, _ := strings.Cut(strings.TrimPrefix(src, Scheme), "/")
			signedIn(t, c, host)
			if tc.by != "" {
				src = strings.TrimSuffix(src, ":v1") + tc.by
			}
			_, err := c.Resolve(t.Context(), src)
			e, ok := err.(*Error)
			if !ok || !strings.Contains(err.Error(), strings.ReplaceAll(tc.says, "HOST", host)) {
				t.Fatalf("%T %.2000v, want %q", err, err, tc.says)
			}
			if e.Refused == tc.passes {
				t.Errorf("final: %t: %v", e.Refused, err)
			}
			if !strings.HasPrefix(err.Error(), src+": ") || strings.Count(err.Error(), host) < 2 {
				t.Errorf("the reference or the registry is not named: %v", err)
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), base64.StdEncoding.EncodeToString([]byte("lab:secret-password"))) {
				t.Errorf("a secret is shown: %v", err)
			}
			if len(err.Error()) > 2000 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
			t.Log(err)
		})
	}
}

func TestSlowRegistry(t *testing.T) {
	c, src, _ := fake(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c.HTTP = &http.Client{Transport: newTransport()}
	c.HTTP.Transport.(*http.Transport).ResponseHeaderTimeout = 20 * time.Millisecond
	_, err := c.Resolve(t.Context(), src)
	if err == nil || !strings.Contains(err.Error(), "no answer from http://") || !strings.Contains(err.Error(), "timeout") {
		t.Error(err)
	}
}
