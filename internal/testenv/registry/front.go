package registry

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Front is a registry as the internet has them: over https, with a token that anybody gets, and
// with blobs at another host, which a redirect leads to.
type Front struct {
	Host string // 127.0.0.1:port
	CAs  string // PEM file of what its certificates are signed with

	mu    sync.Mutex
	asked []string // paths, and what was wrong with a request
}

const frontToken = "front-token"

// Front puts one before the registry.
func (r *Registry) Front() *Front {
	r.Helper()
	f := &Front{CAs: filepath.Join(r.TempDir(), "ca.pem")}
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: r.Host})
	store := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "" {
			f.note("the object store was sent a token")
		}
		if req.URL.Query().Get("sig") != "good" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		behind.ServeHTTP(w, req)
	}))
	r.Cleanup(store.Close)
	front := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		f.note(req.Method + " " + req.URL.Path)
		f.serve(w, req, store.URL, behind)
	}))
	r.Cleanup(front.Close)
	f.Host = strings.TrimPrefix(front.URL, "https://")
	r.write(f.CAs, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})))
	if err := os.Chmod(f.CAs, 0o644); err != nil {
		r.Fatal(err)
	}
	return f
}

func (f *Front) serve(w http.ResponseWriter, req *http.Request, store string, behind http.Handler) {
	switch {
	case req.URL.Path == "/token":
		fmt.Fprintf(w, `{"token":%q,"expires_in":300}`, frontToken)
	case req.Header.Get("Authorization") != "Bearer "+frontToken:
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="https://%s/token",service="%s"`, f.Host, f.Host))
		w.WriteHeader(http.StatusUnauthorized)
	case strings.Contains(req.URL.Path, "/blobs/"):
		http.Redirect(w, req, store+req.URL.Path+"?sig=good", http.StatusTemporaryRedirect)
	default:
		behind.ServeHTTP(w, req)
	}
}

func (f *Front) note(line string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, line)
}

// Asked is each request so far: method and path.
func (f *Front) Asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.asked...)
}
