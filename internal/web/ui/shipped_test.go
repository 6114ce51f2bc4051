package ui

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Pages are parsed when they are first shown, so that it is a test which says that one cannot be.
func TestEveryPageParses(t *testing.T) {
	s := newSurface(Config{})
	if len(s.pages) < 20 {
		t.Fatalf("%d pages", len(s.pages))
	}
	for name, parsed := range s.pages {
		if parsed().Lookup("layout") == nil {
			t.Errorf("page %s has no layout", name)
		}
	}
}

func TestEveryFileHasItsType(t *testing.T) {
	for name, f := range shipped().files {
		if f.media == "" {
			t.Errorf("%s: its type is missing in media", name)
		}
	}
}

// A file is sent from where it lies in the program: whole, in part, and as gzip.
func TestStaticFile(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /static/{path...}", func(w http.ResponseWriter, r *http.Request) {
		if err := shipped().serve(w, r); err != nil {
			t.Error(err)
		}
	})
	at, err := shipped().url("bty.css")
	if err != nil {
		t.Fatal(err)
	}
	want, err := staticFiles.ReadFile("static/bty.css")
	if err != nil {
		t.Fatal(err)
	}
	get := func(header, value string) (*http.Response, string) {
		r := httptest.NewRequest(http.MethodGet, at, nil)
		r.Header.Set(header, value)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		body, _ := io.ReadAll(w.Body) // a Recorder's
		return w.Result(), string(body)
	}
	if resp, body := get("Accept", "*/*"); resp.StatusCode != http.StatusOK || body != string(want) || resp.Header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("%s %v: %d bytes, want %d", resp.Status, resp.Header, len(body), len(want))
	}
	if resp, body := get("Range", "bytes=10-19"); resp.StatusCode != http.StatusPartialContent || body != string(want[10:20]) {
		t.Errorf("%s: %q", resp.Status, body)
	}
	if resp, body := get("Accept-Encoding", "gzip"); resp.Header.Get("Content-Encoding") != "gzip" || len(body) >= len(want)/2 {
		t.Errorf("%v: %d bytes of %d", resp.Header, len(body), len(want))
	}
}
