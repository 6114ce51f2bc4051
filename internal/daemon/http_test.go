package daemon

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// listenKept returns a listener and the file that keeps its socket open across servers, as a
// service manager does.
func listenKept(t *testing.T) (string, *os.File) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return l.Addr().String(), f
}

// serve runs one generation of a server on the kept socket until the returned function is called.
func serve(t *testing.T, f *os.File, handler http.Handler) (stop func()) {
	t.Helper()
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	h := NewHTTP("http", handler, quiet(), l)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	<-h.Ready()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// Restarts under load lose nothing, with a connection per request and with kept ones, for a
// method that a client must not repeat by itself.
func TestRestartLosesNoRequest(t *testing.T) {
	for _, keep := range []bool{false, true} {
		addr, f := listenKept(t)
		var served, sent atomic.Int64
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			served.Add(1)
		})
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: !keep, MaxIdleConnsPerHost: 8}}
		ctx, cancel := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				for ctx.Err() == nil {
					// A body without GetBody: net/http cannot repeat the request in silence.
					res, err := client.Post("http://"+addr, "text/plain", io.MultiReader(strings.NewReader("x")))
					if err != nil {
						t.Errorf("keep-alive %v: %v", keep, err)
						return
					}
					res.Body.Close()
					sent.Add(1)
				}
			})
		}
		for range 8 {
			was, stop := served.Load(), serve(t, f, handler)
			for served.Load() < was+50 && ctx.Err() == nil && !t.Failed() {
				time.Sleep(time.Millisecond) // load, not synchronisation
			}
			stop()
		}
		stop := serve(t, f, handler) // for the requests that wait in the socket
		cancel()
		clients.Wait()
		stop()
		client.CloseIdleConnections()
		if served.Load() != sent.Load() {
			t.Errorf("keep-alive %v: %d served, %d answered", keep, served.Load(), sent.Load())
		}
	}
}

func TestStreamsEndWhenTheDrainBegins(t *testing.T) {
	addr, f := listenKept(t)
	stop := serve(t, f, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		<-Draining(r.Context())
		io.WriteString(w, "bye")
	}))
	res, err := http.Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "bye" {
		t.Errorf("%q, %v", body, err)
	}
	<-stopped
}

func TestDrainIsBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered := make(chan struct{})
	h := NewHTTP("http", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	}), quiet(), l)
	h.Limit = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	go http.Get("http://" + l.Addr().String())
	<-entered
	cancel()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("a stuck handler holds the server for ever")
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := NewHTTP("http", http.NotFoundHandler(), quiet(), l)
	h.MaxConns = 1
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	first, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	go func() {
		res, err := http.Get("http://" + l.Addr().String())
		if err == nil {
			res.Body.Close()
		}
		second <- err
	}()
	first.Close() // gives its place to the second, which waits in the backlog until then
	if err := <-second; err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
