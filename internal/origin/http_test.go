package origin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(seed)})
	rng.Read(b)
	return b
}

func read(t *testing.T, source string, opts Options) ([]byte, *Reader, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := Open(ctx, source, opts)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	return got, r, err
}

func TestResume(t *testing.T) {
	const size = 300_000
	noEnt := map[string]string{"ETag": ""}
	for name, tc := range map[string]struct {
		acts    []act
		opts    func(*Options)
		retries int
		err     error
		says    string
	}{
		"whole":                   {},
		"cut":                     {acts: []act{{give: 70_001, end: "close"}}, retries: 1},
		"reset":                   {acts: []act{{give: 70_001, end: "reset"}}, retries: 1},
		"stall":                   {acts: []act{{give: 70_001, end: "stall"}}, retries: 1},
		"cut in the header":       {acts: []act{{end: "close"}}, retries: 1},
		"no answer":               {acts: []act{{hangUp: true}}, retries: 1},
		"no answer when resumed":  {acts: []act{{give: 70_001, end: "close"}, {hangUp: true}, {hangUp: true}}, retries: 3},
		"no answer any more":      {acts: []act{{give: 70_001, end: "close"}, {hangUp: true}, {hangUp: true}, {hangUp: true}, {hangUp: true}}, err: ErrBroken, says: "gave up at byte 70001"},
		"cut at the last byte":    {acts: []act{{give: size - 1, end: "close"}}, retries: 1},
		"cut six times":           {acts: []act{{give: 1, end: "close"}, {give: 1, end: "reset"}, {give: 5, end: "stall"}, {give: 1, end: "close"}, {give: 1, end: "close"}, {give: 90_000, end: "close"}}, retries: 6},
		"busy when taken up":      {acts: []act{{give: 9, end: "close"}, {status: 503}, {status: 429}}, retries: 3},
		"busy at first":           {acts: []act{{status: 503}, {status: 502}}, retries: 2},
		"no ranges, same entity":  {acts: []act{{give: 70_001, end: "close"}, {noRange: true}}, retries: 1},
		"no ranges, cut in skip":  {acts: []act{{give: 70_001, end: "close"}, {noRange: true, give: 3000, end: "close"}, {noRange: true}}, retries: 2},
		"no validators, no range": {acts: []act{{give: 70_001, end: "close", header: noEnt}, {noRange: true, header: noEnt}}, retries: 1},
		"unknown length":          {acts: []act{{chunked: true}}},
		"unknown length, cut":     {acts: []act{{chunked: true, give: 5000, end: "close"}}, retries: 1},
		"busy for long at first":  {acts: []act{{status: 503}, {end: "reset"}, {status: 429}}, retries: 3},
		"open end, declared":      {acts: []act{{openEnd: true}}, opts: func(o *Options) { o.Size = size }},
		"open end, cut":           {acts: []act{{openEnd: true, give: 5000}}, opts: func(o *Options) { o.Size = size }, retries: 1},
		"open end, proven":        {acts: []act{{openEnd: true}}, opts: func(o *Options) { o.Proven = true }},
		"weak validator":          {acts: []act{{give: 5000, end: "close", header: map[string]string{"ETag": `W/"one"`}}, {header: map[string]string{"ETag": `W/"one"`}}}, retries: 1},
		"encoded by declaration":  {acts: []act{{header: map[string]string{"Content-Encoding": "gzip"}}}},

		"changed, no ranges":       {acts: []act{{give: 70_001, end: "close"}, {other: true}}, retries: 1, err: ErrChanged, says: `"two"`},
		"changed, range":           {acts: []act{{give: 70_001, end: "close"}, {header: map[string]string{"ETag": `"two"`}}}, err: ErrChanged},
		"changed silently":         {acts: []act{{give: 70_001, end: "close", header: noEnt}, {noRange: true, other: true, header: noEnt}}, err: ErrChanged, says: "70001 bytes are other ones"},
		"another total":            {acts: []act{{give: 70_001, end: "close"}, {header: map[string]string{"Content-Range": "bytes 70001-300000/300001"}}}, err: ErrChanged, says: "300001"},
		"wrong place":              {acts: []act{{give: 70_001, end: "close"}, {shift: 1}}, err: ErrRefused, says: "from 70002 on"},
		"broken range":             {acts: []act{{give: 70_001, end: "close"}, {header: map[string]string{"Content-Range": "bytes 70001"}}}, err: ErrRefused, says: "invalid Content-Range"},
		"416":                      {acts: []act{{give: 70_001, end: "close"}, {status: 416}}, err: ErrChanged, says: "416"},
		"404":                      {acts: []act{{status: 404}}, err: ErrRefused, says: "404"},
		"401":                      {acts: []act{{status: 401}}, err: ErrRefused, says: "401"},
		"404 when taken up":        {acts: []act{{give: 70_001, end: "close"}, {status: 404}}, err: ErrRefused, says: "404"},
		"403 when taken up":        {acts: []act{{give: 70_001, end: "close"}, {status: 403}}, err: ErrRefused, says: "403"},
		"never again":              {acts: []act{{give: 70_001, end: "close"}, {status: 503}, {status: 503}, {status: 503}, {status: 503}}, err: ErrBroken, says: "gave up at byte 70001 after 4 attempts"},
		"open end":                 {acts: []act{{openEnd: true}}, err: ErrLength, says: "no Content-Length"},
		"open end when taken up":   {acts: []act{{chunked: true, give: 5000, end: "close"}, {openEnd: true, noRange: true}}, err: ErrLength, says: "after 300000 bytes"},
		"range of unknown whole":   {acts: []act{{chunked: true, give: 5000, end: "close"}, {chunked: true, header: map[string]string{"Content-Range": "bytes 5000-299999/*"}}}, err: ErrLength, says: "after 300000 bytes"},
		"never at first":           {acts: []act{{status: 503}, {status: 503}, {status: 503}, {status: 503}}, err: ErrBroken, says: "gave up at byte 0 after 4 attempts"},
		"403":                      {acts: []act{{status: 403}}, err: ErrRefused, says: "403"},
		"declared longer":          {opts: func(o *Options) { o.Size = size + 1 }, err: ErrLength, says: "300001 were declared"},
		"declared shorter":         {opts: func(o *Options) { o.Size = size - 1 }, err: ErrLength},
		"declared, chunked, short": {acts: []act{{chunked: true}}, opts: func(o *Options) { o.Size = size + 1 }, err: ErrLength},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &scripted{t: t, data: noise(size, 1), other: noise(size, 2), acts: tc.acts}
			opts := quick()
			if tc.opts != nil {
				tc.opts(&opts)
			}
			got, r, err := read(t, s.start(), opts)
			if !errors.Is(err, tc.err) || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("error %v, want %v saying %q", err, tc.err, tc.says)
			}
			if err != nil {
				if strings.Contains(err.Error(), "secret") {
					t.Fatalf("the error shows the URL's query: %v", err)
				}
				if !bytes.Equal(got, s.data[:len(got)]) {
					t.Fatal("bytes given before the error are wrong")
				}
				return
			}
			if !bytes.Equal(got, s.data) {
				t.Fatalf("%d bytes, differing from the origin's %d", len(got), len(s.data))
			}
			if r.Retries() != tc.retries {
				t.Errorf("%d retries, want %d", r.Retries(), tc.retries)
			}
			if r.Name() != "disk.img.zst" {
				t.Errorf("name %q", r.Name())
			}
		})
	}
}

// A server that lies about the place cannot be told from an honest one by its headers, but it
// cannot make the stream longer than it is.
func TestLengthIsBounded(t *testing.T) {
	s := &scripted{t: t, data: noise(5000, 1), acts: []act{{give: 100, end: "close"}, {lie: 50}, {status: 503}, {status: 503}, {status: 503}, {status: 503}, {status: 503}}}
	got, _, err := read(t, s.start(), quick())
	if err == nil && len(got) != 5000 {
		t.Fatalf("%d bytes without an error", len(got))
	}
}

// No error may look like the end of the image.
func TestNoErrorIsTheEnd(t *testing.T) {
	for _, err := range []error{io.EOF, fmt.Errorf("ask: %w", io.EOF), &finalError{fmt.Errorf("%w: %w", ErrRefused, io.EOF)}} {
		hidden := noEnd(err)
		if errors.Is(hidden, io.EOF) || errors.Is(fmt.Errorf("read: %w", hidden), io.EOF) {
			t.Errorf("%v is the end", err)
		}
		if errors.Is(err, ErrRefused) != errors.Is(hidden, ErrRefused) || isFinal(err) != isFinal(fmt.Errorf("read: %w", hidden)) {
			t.Errorf("%v lost what it is", err)
		}
	}
}

// Random cuts, many times over: the stream never has a byte twice and never a hole.
func TestResumeStorm(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	data := noise(2<<20, 3)
	var acts []act
	for range 60 {
		acts = append(acts, act{give: 1 + rng.IntN(60_000), end: []string{"close", "reset"}[rng.IntN(2)], noRange: rng.IntN(4) == 0})
	}
	s := &scripted{t: t, data: data, acts: acts}
	opts := quick()
	opts.Attempts = 60 // a server without ranges that is cut early makes no progress
	got, r, err := read(t, s.start(), opts)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d of %d bytes: %v", len(got), len(data), err)
	}
	if r.Retries() < 30 {
		t.Errorf("only %d retries", r.Retries())
	}
}

func TestRedirects(t *testing.T) {
	data := noise(5000, 1)
	s := &scripted{t: t, data: data, acts: []act{{redirect: "/elsewhere"}, {give: 300, end: "close"}, {redirect: "/again"}}}
	got, r, err := read(t, s.start(), quick())
	if err != nil || !bytes.Equal(got, data) || r.Name() != "disk.img.zst" {
		t.Fatalf("%d bytes: %v", len(got), err)
	}
	// A signed URL expires: the new attempt begins at the address that was given.
	if p := s.asks[2].URL.Path; p != "/images/disk.img.zst" {
		t.Errorf("resumed at %s", p)
	}
	loop := httptest.NewServer(http.RedirectHandler("/round", http.StatusFound))
	defer loop.Close()
	if _, _, err := read(t, loop.URL, quick()); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "redirects") {
		t.Errorf("redirect loop: %v", err)
	}
	away := httptest.NewServer(http.RedirectHandler("file:///etc/passwd", http.StatusFound))
	defer away.Close()
	if _, _, err := read(t, away.URL, quick()); !errors.Is(err, ErrRefused) {
		t.Errorf("redirect to a file: %v", err)
	}
}

func TestCancel(t *testing.T) {
	s := &scripted{t: t, data: noise(5000, 1), acts: []act{{give: 100, end: "stall"}}}
	opts := quick()
	opts.Stall = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	r, err := Open(ctx, s.start(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := r.Read(make([]byte, 10)); !errors.Is(err, context.Canceled) {
		t.Fatalf("read after cancel: %v", err)
	}
}

func TestProxyFromEnvironment(t *testing.T) {
	tr := NewClient(ClientOptions{}).Transport.(*http.Transport)
	if tr.Proxy == nil || tr.ForceAttemptHTTP2 || tr.Protocols.HTTP2() {
		t.Fatalf("proxy set %v, HTTP/2 %v", tr.Proxy != nil, tr.ForceAttemptHTTP2)
	}
	s := &scripted{t: t, data: noise(5000, 1)}
	proxy, _ := url.Parse(s.start())
	tr.Proxy = http.ProxyURL(proxy)
	opts := quick()
	opts.Client = &http.Client{Transport: tr}
	got, _, err := read(t, "http://images.invalid/a.img", opts)
	if err != nil || len(got) != 5000 || s.asks[0].Host != "images.invalid" {
		t.Fatalf("through a proxy: %d bytes, %v", len(got), err)
	}
}

func TestUnreachable(t *testing.T) {
	srv := httptest.NewServer(nil)
	srv.Close()
	if _, _, err := read(t, srv.URL, quick()); !errors.Is(err, ErrBroken) {
		t.Fatalf("closed port: %v", err)
	}
	tls := httptest.NewTLSServer(nil)
	defer tls.Close()
	if _, _, err := read(t, tls.URL, quick()); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("untrusted certificate: %v", err)
	}
}

// A cut of a body without a length looks like its end: with a digest the caller finds out.
func TestOpenEndIsTheCallersToProve(t *testing.T) {
	s := &scripted{t: t, data: noise(300_000, 1), acts: []act{{openEnd: true, give: 5000}}}
	opts := quick()
	opts.Proven = true
	got, _, err := read(t, s.start(), opts)
	if err != nil || !bytes.Equal(got, s.data[:5000]) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}

// A server that is not up yet, or a name that a server cannot resolve yet, is asked again; a name
// that does not exist is not.
func TestOutageAtTheStart(t *testing.T) {
	for name, tc := range map[string]struct {
		cause error
		asks  int
		err   error
	}{
		"refused":      {syscall.ECONNREFUSED, 3, nil},
		"reset":        {syscall.ECONNRESET, 3, nil},
		"no route":     {syscall.EHOSTUNREACH, 3, nil},
		"timeout":      {os.ErrDeadlineExceeded, 3, nil},
		"DNS is down":  {&net.DNSError{Err: "server misbehaving", Name: "h", IsTemporary: true}, 3, nil},
		"no such name": {&net.DNSError{Err: "no such host", Name: "h", IsNotFound: true}, 1, ErrSource},
	} {
		s := &scripted{t: t, data: noise(5000, 1)}
		asks, plain := 0, NewClient(ClientOptions{}).Transport.(*http.Transport)
		plain.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if asks++; asks < 3 {
				return nil, &net.OpError{Op: "dial", Net: network, Err: tc.cause}
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
		opts := quick()
		opts.Client = &http.Client{Transport: plain}
		_, r, err := read(t, s.start(), opts)
		if !errors.Is(err, tc.err) || asks != tc.asks {
			t.Errorf("%s: %v after %d attempts", name, err, asks)
		}
		if err == nil && r.Retries() != 2 {
			t.Errorf("%s: %d retries", name, r.Retries())
		}
	}
}

func TestPatience(t *testing.T) {
	o := Options{}.withDefaults()
	var all time.Duration
	for n := 1; n < o.Attempts; n++ {
		all += min(o.FirstPause<<(n-1), o.MaxPause)
	}
	if all < time.Minute || all > 2*time.Minute {
		t.Errorf("an outage may last %v", all)
	}
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-9/10", "bytes 5-9/*", "bytes */10", "bytes 9-5/10", "bytes 0-10/10", "", "bytes -1-5/9", "BYTES 1-2/3", "bytes 1-9223372036854775808/9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseContentRange(s)
		if err == nil && (r.first < 0 || r.last < r.first || r.total >= 0 && r.last >= r.total || r.total < -1) {
			t.Fatalf("%q parsed as %+v", s, r)
		}
	})
}
