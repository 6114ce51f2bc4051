package proxy

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"bty/internal/fill"
	"bty/internal/flood"
	"bty/internal/message"
	"bty/internal/wire"
)

// A reader may begin at bytes that the origin gives much later than a reader may take for what is there: it has
// the head of the answer at once, and the bytes when they come.
func TestReaderAhead(t *testing.T) {
	was := pieceTime
	pieceTime = 100 * time.Millisecond
	t.Cleanup(func() { pieceTime = was })
	img := make([]byte, 8<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(img)
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(img)))
		_, _ = w.Write(img[:1<<20])
		w.(http.Flusher).Flush()
		<-gate
		_, _ = w.Write(img[1<<20:])
	}))
	t.Cleanup(origin.Close)
	t.Cleanup(open)
	log := slog.New(slog.DiscardHandler)
	cache := fill.New(fill.Config{Dir: t.TempDir(), Log: log})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- cache.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	rules := &Rules{}
	src := origin.URL + "/disk.img"
	rules.Publish([]wire.CacheSource{{Src: src}})
	face := New(Config{Cache: cache, Rules: rules, Log: log, Strangers: flood.New(log, message.Flood), Now: time.Now, Strict: func() bool { return false }, Metrics: http.NotFoundHandler()})
	server := httptest.NewServer(face.Handler())
	t.Cleanup(server.Close)

	bodies := map[int]io.Reader{}
	for _, from := range []int{0, 5 << 20} {
		req, err := http.NewRequest(http.MethodGet, server.URL+"/b/"+base64.RawURLEncoding.EncodeToString([]byte(src)), nil)
		if err != nil {
			t.Fatal(err)
		}
		want := http.StatusOK
		if from > 0 {
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
			want = http.StatusPartialContent
		}
		client := &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: 5 * time.Second}}
		resp, err := client.Do(req) // the gate is still shut
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != want || resp.ContentLength != int64(len(img)-from) {
			t.Fatalf("from %d: %s, %d bytes", from, resp.Status, resp.ContentLength)
		}
		bodies[from] = resp.Body
	}
	time.Sleep(4 * pieceTime)
	open()
	for from, body := range bodies {
		if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, img[from:]) {
			t.Errorf("from %d: %d bytes, %v", from, len(got), err)
		}
	}
}
