package main

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/flood"
)

// 100,000 requests for files that there are not, and as many packets that are no requests, are a
// few lines whose counts tell of every answer. A machine's transfer succeeds meanwhile.
func TestFloodOfBogusRequests(t *testing.T) {
	const requests = 100_000
	h := newHost(t)
	p := h.start("BTY_LOG_LEVEL=info", "BTY_LOG_FORMAT=json")
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var answers atomic.Int64
	go func() {
		buf := make([]byte, 600)
		for {
			n, _, err := conn.ReadFromUDP(buf)
			if err != nil {
				return
			}
			if n > 4 && buf[1] == 5 {
				answers.Add(1)
			}
		}
	}()
	begun := time.Now()
	for n := range requests {
		conn.WriteToUDP(fmt.Appendf(nil, "\x00\x01none-%d\x00octet\x00", n), h.addr)
		conn.WriteToUDP([]byte{0xff, byte(n >> 8), byte(n)}, h.addr)
		if n == requests/2 {
			if got, err := h.curl("127.0.0.1", "vmlinuz", "--tftp-blksize", "1428"); err != nil || len(got) != 3<<20 {
				t.Errorf("in the flood: %d bytes, %v", len(got), err)
			}
		}
	}
	for last := int64(-1); last != answers.Load(); time.Sleep(500 * time.Millisecond) {
		last = answers.Load()
	}
	took := time.Since(begun)
	if code := p.Stop(); code != 0 {
		t.Errorf("exit %d", code)
	}
	lines, counted := 0, int64(0)
	for line := range strings.Lines(p.Output()) {
		var l struct {
			Msg  string
			More int64
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		lines++
		if l.Msg == "not served" || l.Msg == "too many transfers" || strings.HasPrefix(l.Msg, "a request could not") {
			counted += max(l.More, 1)
		}
	}
	minutes := int(took/flood.Every) + 1
	t.Logf("%d requests in %s, %d answers, %d counted in %d lines", requests, took.Round(time.Millisecond), answers.Load(), counted, lines)
	if lines > 90*minutes {
		t.Errorf("%d lines in %d minutes", lines, minutes)
	}
	if answers.Load() == 0 || counted < answers.Load() {
		t.Errorf("%d refusals are told of, %d were answered", counted, answers.Load())
	}
}
