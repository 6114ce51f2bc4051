package netup

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestServerTime(t *testing.T) {
	want := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/healthz" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		w.Header().Set("Date", want.Format(http.TimeFormat))
		w.WriteHeader(http.StatusNotFound) // any answer has the time
	})
	plain, tls := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer tls.Close()
	// A certificate cannot be checked with a clock that is years behind.
	for _, url := range []string{plain.URL, tls.URL} {
		if got, err := ServerTime(context.Background(), url); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", url, got, err)
		}
	}
	redirect := httptest.NewServer(http.RedirectHandler("http://192.0.2.1/", http.StatusFound))
	defer redirect.Close()
	if _, err := ServerTime(context.Background(), redirect.URL); err != nil {
		t.Errorf("a redirect was followed or refused: %v", err)
	}
	none := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header()["Date"] = nil }))
	defer none.Close()
	if got, err := ServerTime(context.Background(), none.URL); err == nil {
		t.Errorf("a time out of nothing: %v", got)
	}
}

func TestForwardOnly(t *testing.T) {
	for _, server := range []time.Time{time.Unix(0, 0), time.Now().Add(-time.Hour), time.Now().Add(30 * time.Second)} {
		if by, err := Forward(server); by != 0 || err != nil {
			t.Errorf("the clock was set for %v", server)
		}
	}
}
