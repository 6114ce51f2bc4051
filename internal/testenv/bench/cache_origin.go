package main

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// slowOrigin serves /<size>/<name>: that many bytes, over a link of 100 MB/s that all connections
// share.
type slowOrigin struct {
	address string
	sent    atomic.Int64
	server  *http.Server
	block   []byte

	mu   sync.Mutex
	next time.Time // when the link is free again
}

const (
	linkRate  = 100e6 // bytes per second
	linkBlock = 256 << 10
)

func startSlowOrigin() (*slowOrigin, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &slowOrigin{address: l.Addr().String(), block: make([]byte, linkBlock)}
	for i := range o.block {
		o.block[i] = byte(i * 7)
	}
	o.server = &http.Server{Handler: o}
	go func() { _ = o.server.Serve(l) }() // until it is closed
	return o, nil
}

func (o *slowOrigin) stop() { _ = o.server.Close() }

// rest lets what is under way end.
func (o *slowOrigin) rest() { time.Sleep(2 * time.Second) }

func (o *slowOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	size, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	w.Header().Set("ETag", fmt.Sprintf(`"%s"`, parts[len(parts)-1]))
	if r.Method == http.MethodHead {
		return
	}
	for size > 0 {
		n := min(size, linkBlock)
		o.wait(n)
		if _, err := w.Write(o.block[:n]); err != nil {
			return
		}
		o.sent.Add(n)
		size -= n
	}
}

// wait takes the link for n bytes. What was lost to a late wake-up is made good, up to a moment.
func (o *slowOrigin) wait(n int64) {
	o.mu.Lock()
	if now := time.Now().Add(-100 * time.Millisecond); o.next.Before(now) {
		o.next = now
	}
	o.next = o.next.Add(time.Duration(float64(n) / linkRate * 1e9))
	at := o.next
	o.mu.Unlock()
	time.Sleep(time.Until(at))
}
