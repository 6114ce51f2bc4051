package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"bty/internal/wire"
)

// What happened stands in the figures: of two readers of one image, of one that is refused, of one that broke off.
func TestMetrics(t *testing.T) {
	p, wrong, slow := newPublisher(t, newImage(3<<20)), newPublisher(t, newImage(1<<20)), newPublisher(t, newImage(2<<20))
	slow.gate = make(chan struct{})
	defer close(slow.gate)
	c := start(t, map[string]string{"BTY_CACHE_MAX_SIZE": "1G"})
	c.publish(wire.CacheSource{Src: p.URL + "/disk.img"}, wire.CacheSource{Src: wrong.URL + "/disk.img", SHA256: strings.Repeat("cd", 32)}, wire.CacheSource{Src: slow.URL + "/disk.img"})
	for range 2 {
		if _, _, code := curl(t, c.url(p.URL+"/disk.img")); code != 0 {
			t.Fatalf("curl ended with %d", code)
		}
		c.held(p.image.digest)
	}
	curl(t, "-I", c.url(p.URL+"/disk.img"))
	curl(t, c.url(p.URL+"/other.img"))
	_, part, _ := curl(t, c.url(wrong.URL+"/disk.img"))
	c.order("POST", "/pin", wire.CachePin{Src: p.URL + "/disk.img", Pinned: true})
	reading := make(chan struct{})
	go func() { defer close(reading); curl(t, "--max-time", "5", c.url(slow.URL+"/disk.img")) }()
	c.eventually("somebody reads", func() bool { return len(c.status().Streams) == 1 })
	time.Sleep(1100 * time.Millisecond) // they are counted once a second
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", c.port))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got := figuresOf(t, resp)
	for name, want := range map[string]float64{
		"bty_cache_images": 1, "bty_cache_images_pinned": 1, "bty_cache_limit_bytes": 1 << 30, "bty_cache_floor_bytes": 1 << 20, "bty_cache_readers": 1, "bty_cache_usable": 1,
		"bty_cache_held_bytes":                          5 << 20,
		`bty_cache_fills{status="running"}`:             1,
		`bty_cache_fills{status="failed"}`:              1,
		`bty_cache_fills_total{outcome="complete"}`:     1,
		`bty_cache_fills_total{outcome="failed"}`:       1,
		`bty_cache_answers_total{outcome="given"}`:      2,
		`bty_cache_answers_total{outcome="refused"}`:    1,
		`bty_cache_answers_total{outcome="broken off"}`: 1,
		"bty_cache_misses_total":                        3, // the first reader, the one whose image is wrong, the one that reads now
		"bty_cache_fetched_bytes_total":                 5 << 20,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if sent := got["bty_cache_sent_bytes_total"]; sent != float64(6<<20+len(part)) {
		t.Errorf("%v bytes are sent, of the wrong image %d", sent, len(part))
	}
	if got["bty_cache_free_bytes"] <= 0 {
		t.Error("nothing is free")
	}
	<-reading
}

// figuresOf reads what Prometheus reads.
func figuresOf(t *testing.T, resp *http.Response) map[string]float64 {
	t.Helper()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, line := range strings.Split(string(text), "\n") {
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(line[at+1:], &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		got[line[:at]] = v
	}
	return got
}
