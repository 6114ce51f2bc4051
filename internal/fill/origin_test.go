package fill

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bty/internal/origin"
)

// act is what the scripted origin does with one request. The zero value behaves well.
type act struct {
	status  int    // answer this alone
	give    int    // bytes of body before end
	end     string // "reset", "close", "stall"
	noRange bool   // answer 200 to a range request
	chunked bool
	openEnd bool // no length, not chunked; give bytes are missing at the end
	length  int  // lie about it
	mute    bool // no validators
}

// place is an origin that does act n with its n-th GET and behaves well afterwards.
type place struct {
	t *testing.T

	mu    sync.Mutex
	data  []byte
	etag  string
	acts  []act
	asked []*http.Request // GETs
	looks int             // HEADs
	hold  chan struct{}   // if set, a body's second half waits for it
	url   string
	close func()
}

func newPlace(t *testing.T, data []byte, acts ...act) *place {
	p := &place{t: t, data: data, etag: `"one"`, acts: acts}
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections)
	t.Cleanup(func() { p.release() })
	p.url = srv.URL + "/disk.img"
	p.close = func() { srv.CloseClientConnections(); srv.Close() }
	return p
}

func (p *place) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hold != nil {
		close(p.hold)
		p.hold = nil
	}
}

func (p *place) gets() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked)
}

func (p *place) change(data []byte, etag string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.data, p.etag = data, etag
}

func (p *place) next(r *http.Request) (a act, data []byte, etag string, hold chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Method == http.MethodHead {
		p.looks++
		return act{}, p.data, p.etag, nil
	}
	p.asked = append(p.asked, r)
	if n := len(p.asked); n <= len(p.acts) {
		a = p.acts[n-1]
	}
	return a, p.data, p.etag, p.hold
}

func (p *place) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, data, etag, hold := p.next(r)
	h := w.Header()
	if !a.mute {
		h.Set("ETag", etag)
	}
	if a.status != 0 {
		w.WriteHeader(a.status)
		return
	}
	from, status := 0, http.StatusOK
	if rng := r.Header.Get("Range"); rng != "" && !a.noRange && (r.Header.Get("If-Range") == "" || r.Header.Get("If-Range") == etag) {
		from, _ = strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(rng, "bytes="), "-"))
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
	}
	if a.openEnd {
		p.untilClose(w, data[:len(data)-a.give])
		return
	}
	if !a.chunked {
		h.Set("Content-Length", strconv.Itoa(len(data)-from+a.length))
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	p.body(w, r, data[from:], a, hold)
}

func (p *place) body(w http.ResponseWriter, r *http.Request, data []byte, a act, hold chan struct{}) {
	rc := http.NewResponseController(w)
	if a.end != "" {
		w.Write(data[:min(a.give, len(data))])
		rc.Flush()
		if a.end == "stall" {
			<-r.Context().Done()
			return
		}
		conn, _, err := rc.Hijack()
		if err != nil {
			p.t.Error(err)
			return
		}
		if a.end == "reset" {
			conn.(*net.TCPConn).SetLinger(0)
		}
		conn.Close()
		return
	}
	half := len(data) / 2
	if hold == nil {
		half = len(data)
	}
	w.Write(data[:half])
	rc.Flush()
	if hold != nil {
		<-hold
		w.Write(data[half:])
	}
}

func (p *place) untilClose(w http.ResponseWriter, data []byte) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		p.t.Error(err)
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.0 200 OK\r\n\r\n")
	conn.Write(data)
}

func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	io.ReadFull(rand.NewChaCha8([32]byte{byte(seed), 7}), b)
	return b
}

// quick is a cache's configuration for tests.
func quick(t *testing.T, dir string) Config {
	var log bytes.Buffer
	var mu sync.Mutex
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		if t.Failed() {
			t.Log("the cache's log:\n" + log.String())
		}
	})
	return Config{Dir: dir, Log: slog.New(slog.NewTextHandler(locked{&mu, &log}, nil)),
		Origin: origin.Options{FirstPause: time.Millisecond, MaxPause: 4 * time.Millisecond, Stall: 10 * time.Second, Attempts: 4}}
}

type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
