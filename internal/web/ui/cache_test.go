package ui

import (
	"net/netip"
	"testing"

	"bty/internal/catalog"
	"bty/internal/wire"
)

// A live page gets the panel again only when it shows something else.
func TestCacheSeen(t *testing.T) {
	seen := func(done int64, name string) string {
		total := int64(9)
		entry := catalog.Entry{Src: "http://h/a", Name: name}
		status := wire.CacheStatus{
			Fills:   []wire.CacheFill{{Src: entry.Src, Status: wire.CacheFillFailed, BytesDone: done, BytesTotal: &total}},
			Blobs:   []wire.CacheBlob{{SHA256: "ab", Sources: []string{entry.Src}}},
			Streams: []wire.CacheStream{{Src: entry.Src, Remote: "192.0.2.1"}},
		}
		var p cachePanel
		p.fill(status, []catalog.Entry{entry}, func(netip.Addr) string { return "" })
		s, err := p.seen()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if seen(1, "a") != seen(1, "a") {
		t.Error("the same has two names")
	}
	if seen(1, "a") == seen(2, "a") || seen(1, "a") == seen(1, "b") {
		t.Error("what has changed has the same name")
	}
}
