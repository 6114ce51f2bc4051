package origin

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What web servers do that hold no image, or are not well. A row that gives no error gives the
// bytes that were sent, which the digest is to judge.
func TestBadOrigins(t *testing.T) {
	header := func(pairs ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for i := 0; i+1 < len(pairs); i += 2 {
				w.Header().Set(pairs[i], pairs[i+1])
			}
		}
	}
	send := func(status int, body string, set func(http.ResponseWriter)) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			set(w)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	}
	drip := func(w http.ResponseWriter, r *http.Request) {
		var from int
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-999999/1000000", from))
			w.WriteHeader(http.StatusPartialContent)
		} else {
			w.Header().Set("Content-Length", "1000000")
		}
		for tick := time.NewTicker(20 * time.Millisecond); r.Context().Err() == nil; <-tick.C {
			fmt.Fprint(w, "x")
			http.NewResponseController(w).Flush()
		}
	}
	const page = "\r\n<!DOCTYPE HTML><title>Sign in</title>"
	for name, tc := range map[string]struct {
		serve  http.HandlerFunc
		size   int64
		answer time.Duration
		gives  string
		err    error
		says   string
	}{
		"a web page":                {serve: send(200, page, header("Content-Type", "text/html")), err: ErrRefused, says: "a web page instead"},
		"a web page as an image":    {serve: send(200, page, header("Content-Type", "application/octet-stream")), err: ErrRefused, says: "a web page"},
		"XML":                       {serve: send(200, "<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", header()), err: ErrRefused, says: "a web page"},
		"an image called a page":    {serve: send(200, "\xeb\x3c<html", header("Content-Type", "text/html")), gives: "\xeb\x3c<html"},
		"an image that was encoded": {serve: send(200, "\x1f\x8b...", header("Content-Encoding", "gzip")), gives: "\x1f\x8b..."},
		"an unknown encoding":       {serve: send(200, "abc", header("Content-Encoding", "br, zstd")), gives: "abc"},
		"empty":                     {serve: send(200, "", header("Content-Length", "0")), gives: ""},
		"endless":                   {serve: endless, size: 100_000, err: ErrLength, says: "goes on after 100000 bytes"},
		"shorter in chunks":         {serve: send(200, "abc", header("Transfer-Encoding", "chunked")), size: 4, err: ErrLength, says: "ended after 3 of 4"},
		"a byte now and then":       {serve: drip, err: ErrBroken, says: "too few bytes came"},
		"206 that nobody asked for": {serve: send(206, "abc", header("Content-Range", "bytes 0-2/3")), err: ErrRefused, says: "206"},
		"204":                       {serve: send(204, "", header()), err: ErrRefused, says: "204"},
		"304":                       {serve: send(304, "", header()), err: ErrRefused, says: "304"},
		"302 to nowhere":            {serve: send(302, "", header()), err: ErrRefused, says: "302"},
		"redirect to no URL":        {serve: send(302, "", header("Location", "http://[::1")), err: ErrBroken, says: "Location"},
		"headers without end":       {serve: send(200, "abc", header("X-Long", strings.Repeat("x", 2<<20))), err: ErrBroken, says: "headers exceeded"},
		"a bad length":              {serve: raw("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), err: ErrBroken, says: "Content-Length"},
		"two lengths":               {serve: raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), err: ErrBroken, says: "Content-Length"},
		"a bad chunk":               {serve: raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), err: ErrBroken, says: "chunk"},
		"no answer":                 {serve: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, answer: 20 * time.Millisecond, err: ErrBroken, says: "no answer came for 20ms"},
		"no HTTP":                   {serve: raw("SSH-2.0-OpenSSH_9.2\r\n"), err: ErrBroken, says: "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(tc.serve)
			t.Cleanup(server.Close)
			t.Cleanup(server.CloseClientConnections)
			opts := quick()
			opts.Size, opts.Answer = tc.size, tc.answer
			got, _, err := read(t, server.URL+"/disk.img?sig=secret", opts)
			if !errors.Is(err, tc.err) || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("error %v, want %v saying %q", err, tc.err, tc.says)
			}
			if err == nil && string(got) != tc.gives {
				t.Errorf("%q, want %q", got, tc.gives)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("a secret is shown: %v", err)
			}
		})
	}
}

// raw answers with these bytes.
func raw(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, answer)
	}
}

// certificate writes what a test server's certificate is signed with.
func certificate(t *testing.T, server *httptest.Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestExtraCAs(t *testing.T) {
	spoken := ""
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		spoken = r.Proto
		fmt.Fprint(w, "content")
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	pool, err := ReadCAs(certificate(t, server))
	if err != nil {
		t.Fatal(err)
	}
	opts := quick()
	opts.Client = NewClient(ClientOptions{CAs: pool})
	if got, _, err := read(t, server.URL+"/disk.img", opts); err != nil || string(got) != "content" {
		t.Errorf("%q, %v", got, err)
	}
	if spoken != "HTTP/1.1" {
		t.Errorf("it speaks %s, whose long streams object stores reset", spoken)
	}
	if system, err := x509.SystemCertPool(); err != nil || len(pool.Subjects()) != len(system.Subjects())+1 {
		t.Errorf("%d certificates, the system has %d: %v", len(pool.Subjects()), len(system.Subjects()), err)
	}
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, says := range map[string]string{notPEM: "BEGIN CERTIFICATE", "/no/such": "no such file"} {
		if _, err := ReadCAs(file); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func send200(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
}

// A connection that may not be made is not made.
func TestControl(t *testing.T) {
	server := httptest.NewServer(send200("content"))
	defer server.Close()
	opts := quick()
	opts.Client = NewClient(ClientOptions{Control: func(_, address string, _ syscall.RawConn) error {
		return fmt.Errorf("%s is out of bounds", address)
	}})
	if _, _, err := read(t, server.URL, opts); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "127.0.0.1") || !strings.Contains(err.Error(), "out of bounds") {
		t.Error(err)
	}
}

// What was meant for one server reaches no other, by whatever way a redirect leads; and encryption
// is given up only for what a digest proves.
func TestRedirectsAway(t *testing.T) {
	var heard []string // by the second server
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heard = append(heard, r.Header.Get("Authorization")+r.Header.Get("Cookie")+r.Header.Get("X-Free"))
		fmt.Fprint(w, "content")
	}))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/here" && r.Header.Get("Authorization") == "secret" {
			http.Redirect(w, r, plain.URL, http.StatusFound)
			return
		}
		http.Redirect(w, r, "/here", http.StatusTemporaryRedirect)
	}))
	defer secure.Close()
	pool, err := ReadCAs(certificate(t, secure))
	if err != nil {
		t.Fatal(err)
	}
	opts := quick()
	opts.Client = NewClient(ClientOptions{CAs: pool})
	opts.Header = http.Header{"Authorization": {"secret"}, "Cookie": {"a=secret"}, "X-Free": {"free"}}
	if _, _, err := read(t, secure.URL, opts); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "declare its SHA-256") {
		t.Errorf("from https to http: %v", err)
	}
	if len(heard) != 0 {
		t.Errorf("it was asked over http: %q", heard)
	}
	opts.Proven = true
	if got, _, err := read(t, secure.URL, opts); err != nil || string(got) != "content" || len(heard) != 1 || heard[0] != "free" {
		t.Errorf("proven by a digest: %q, %v, heard %q", got, err, heard)
	}
}
