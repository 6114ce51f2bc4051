package origin

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// act is what the scripted origin does with one request. The zero value behaves well.
type act struct {
	status   int               // answer this alone, unless 0 or 200
	header   map[string]string // set over the usual ones; "" removes
	give     int               // bytes of body before the end that end names; 0 = all
	end      string            // "close", "reset", "stall"
	noRange  bool              // answer 200 to a range request
	shift    int               // send this many bytes past the right place, saying so
	lie      int               // send this many bytes past the right place, denying it
	chunked  bool
	openEnd  bool // no Content-Length, not chunked: the end of the connection is that of the body
	other    bool // serve the other entity
	redirect string
	hangUp   bool // close the connection instead of an answer
}

// scripted is an origin that does act n with its n-th request, and behaves well afterwards.
type scripted struct {
	t     *testing.T
	data  []byte
	other []byte
	acts  []act

	before func(http.ResponseWriter, *http.Request) bool // answers what is not the script's

	mu   sync.Mutex
	asks []*http.Request
}

func (s *scripted) start() string {
	srv := httptest.NewServer(s)
	s.t.Cleanup(srv.Close)
	s.t.Cleanup(srv.CloseClientConnections)
	return srv.URL + "/images/disk.img.zst?sig=secret"
}

func (s *scripted) next(r *http.Request) act {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asks = append(s.asks, r)
	if n := len(s.asks); n <= len(s.acts) {
		return s.acts[n-1]
	}
	return act{}
}

// requests are those that came so far.
func (s *scripted) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asks)
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.before != nil && s.before(w, r) {
		return
	}
	a := s.next(r)
	if a.hangUp {
		panic(http.ErrAbortHandler)
	}
	if a.redirect != "" {
		http.Redirect(w, r, a.redirect, http.StatusFound)
		return
	}
	data, etag := s.data, `"one"`
	if a.other {
		data, etag = s.other, `"two"`
	}
	from := 0
	if rng := r.Header.Get("Range"); rng != "" && !a.noRange && (r.Header.Get("If-Range") == "" || r.Header.Get("If-Range") == etag) {
		from, _ = strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(rng, "bytes="), "-"))
	}
	h := w.Header()
	h.Set("ETag", etag)
	status := http.StatusOK
	if from > 0 {
		status = http.StatusPartialContent
		from += a.shift
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
		from += a.lie
	}
	if !a.chunked {
		h.Set("Content-Length", strconv.Itoa(len(data)-from+a.lie))
	}
	for k, v := range a.header {
		h.Del(k)
		if v != "" {
			h.Set(k, v)
		}
	}
	if a.status != 0 {
		h.Del("Content-Length")
		status = a.status
		data, from = nil, 0
	}
	if a.openEnd {
		s.untilClose(h, status, data[from:], w, a)
		return
	}
	w.WriteHeader(status)
	s.body(w, r, data[from:], a)
}

func (s *scripted) body(w http.ResponseWriter, r *http.Request, data []byte, a act) {
	if a.end == "" {
		w.Write(data)
		return
	}
	w.Write(data[:min(a.give, len(data))])
	http.NewResponseController(w).Flush()
	switch a.end {
	case "stall":
		<-r.Context().Done()
	case "reset", "close":
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			s.t.Error(err)
			return
		}
		if a.end == "reset" {
			conn.(*net.TCPConn).SetLinger(0)
		}
		conn.Close()
	}
}

// untilClose answers as a server of HTTP/1.0 does.
func (s *scripted) untilClose(h http.Header, status int, data []byte, w http.ResponseWriter, a act) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.t.Error(err)
		return
	}
	defer conn.Close()
	if a.give > 0 {
		data = data[:min(a.give, len(data))]
	}
	h.Del("Content-Length")
	fmt.Fprintf(conn, "HTTP/1.0 %d %s\r\n", status, http.StatusText(status))
	h.Write(conn)
	fmt.Fprint(conn, "\r\n")
	conn.Write(data)
}

func quick() Options {
	return Options{FirstPause: time.Millisecond, MaxPause: 4 * time.Millisecond, Stall: 100 * time.Millisecond, Attempts: 4}
}
