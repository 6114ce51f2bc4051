package contract

import (
	"encoding/base64"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Origin serves the images of the cases, and plays the cache below /cache.
type Origin struct {
	URL    string
	mu     sync.Mutex
	files  map[string]string
	cached map[string]bool // sources that the cache holds
	asked  []string        // method and path of every request
	server *http.Server
}

// StartOrigin serves at an address.
func StartOrigin(address string) (*Origin, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	o := &Origin{URL: "http://" + l.Addr().String(), files: map[string]string{}, cached: map[string]bool{}}
	o.server = &http.Server{Handler: o}
	go func() { _ = o.server.Serve(l) }() // until Close
	return o, nil
}

// Close ends it.
func (o *Origin) Close() error { return o.server.Close() }

// Put serves content at a path from now on, and returns its URL.
func (o *Origin) Put(path, content string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.files[path] = content
	return o.URL + path
}

// Cache makes the cache hold a source.
func (o *Origin) Cache(src string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cached[src] = true
}

// CacheURL is the base that a server is configured with.
func (o *Origin) CacheURL() string { return o.URL + "/cache" }

// ReleaseURL is where a server that is configured with it looks for releases.
func (o *Origin) ReleaseURL() string { return o.URL + "/releases/{tag}" }

// Drop takes a file away again.
func (o *Origin) Drop(path string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.files, path)
}

// Blob is the URL of a source in the cache, by the rule of the contract's section 5.2.
func (o *Origin) Blob(src, name string) string {
	return o.CacheURL() + "/b/" + base64.RawURLEncoding.EncodeToString([]byte(src)) + "/" + name
}

// Asked counts the requests for a path, with the query.
func (o *Origin) Asked(method, path string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for _, line := range o.asked {
		if line == method+" "+path {
			n++
		}
	}
	return n
}

func (o *Origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.asked = append(o.asked, r.Method+" "+r.URL.RequestURI())
	content, ok := o.files[r.URL.Path]
	if blob, isBlob := strings.CutPrefix(r.URL.EscapedPath(), "/cache/b/"); isBlob {
		token, _, _ := strings.Cut(blob, "/")
		src, err := base64.RawURLEncoding.DecodeString(token)
		content, ok = "cached", err == nil && o.cached[string(src)]
	}
	o.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(content)) // the server is gone, if anything
	}
}
