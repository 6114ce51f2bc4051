package fill

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Who asks for one allowed path with many queries gets a few places, and images of the catalog are
// fetched before what is only allowed.
func TestGuestsDoNotCrowd(t *testing.T) {
	cfg := quick(t, t.TempDir())
	cfg.Fills, cfg.Share = 1, 50
	listed := newPlace(t, noise(1, 1000))
	cfg.Listed = func(src string) bool { return src == listed.url }
	c, _ := run(t, cfg)
	first, other := newPlace(t, noise(2, 200000)), newPlace(t, noise(3, 1000))
	first.hold = make(chan struct{})
	open(t, c, Source{Src: first.url + "?q=0"})
	eventually(t, func() bool { return first.gets() == 1 }) // it has the one place
	refused := 0
	for i := range 3 * maxOfPath {
		h, err := c.Open(t.Context(), Source{Src: fmt.Sprintf("%s?q=%d", first.url, i)}, "")
		switch {
		case errors.Is(err, ErrBusy):
			refused++
		case err != nil:
			t.Fatal(err)
		default:
			t.Cleanup(h.Close)
		}
	}
	if refused != 2*maxOfPath {
		t.Errorf("%d were refused", refused)
	}
	open(t, c, Source{Src: other.url}) // another path has places of its own
	open(t, c, Source{Src: listed.url})
	if next := c.peek(); next != listed.url {
		t.Errorf("%s is next", next)
	}
	first.release()
	eventually(t, func() bool { return len(c.Status().Blobs) == 3 })
}

// Guests whose origins are slow leave a place to the catalog.
func TestSlowGuests(t *testing.T) {
	cfg := quick(t, t.TempDir())
	cfg.Fills, cfg.Share = 3, 50
	listed := newPlace(t, noise(1, 1000))
	cfg.Listed = func(src string) bool { return src == listed.url }
	c, _ := run(t, cfg)
	slow := newPlace(t, noise(2, 200000))
	slow.hold = make(chan struct{})
	for i := range 4 {
		open(t, c, Source{Src: fmt.Sprintf("%s?q=%d", slow.url, i)})
	}
	eventually(t, func() bool { return slow.gets() == 2 })
	wants(t, c, Source{Src: listed.url}, listed.data)
	if slow.gets() != 2 {
		t.Errorf("%d guests are fetched", slow.gets())
	}
	slow.release()
	eventually(t, func() bool { return slow.gets() == 4 && len(c.Status().Fills) == 0 })
}

// What came of an image of the catalog before its origin went away is kept, whatever is asked for beside the
// catalog: addresses that lead nowhere, and images for which there is no room.
func TestGuestsLeaveWhatHasBegun(t *testing.T) {
	cfg := quick(t, t.TempDir())
	cfg.Limit, cfg.Share = 12<<20, 50
	var cuts []act
	for range 4 {
		cuts = append(cuts, act{status: 503})
	}
	listed := newPlace(t, noise(1, 8<<20), append([]act{{give: 4 << 20, end: "close"}}, cuts...)...)
	cfg.Listed = func(src string) bool { return strings.HasPrefix(src, listed.url) }
	c, _ := run(t, cfg)
	_, _ = read(t, c, Source{Src: listed.url})
	eventually(t, func() bool { return statuses(c)["failed"] == 1 })
	begun := func() int64 {
		for _, f := range c.Status().Fills {
			if f.Src == listed.url && len(files(t, cfg.Dir)) == 2 { // the file and its note
				return f.BytesDone
			}
		}
		return 0
	}
	if begun() < 2<<20 {
		t.Fatalf("%d bytes are here", begun())
	}
	large, huge := newPlace(t, noise(2, 7<<20)), newPlace(t, noise(3, 13<<20))
	for i, src := range []string{large.url, listed.url + "?" + huge.url} { // the second is of the catalog, and never fits
		if i == 1 {
			listed.change(huge.data, `"huge"`)
		}
		if _, err := read(t, c, Source{Src: src}); !errors.Is(err, ErrNoRoom) {
			t.Errorf("%s: %v", src, err)
		}
		eventually(t, func() bool { return begun() > 0 })
	}
	gone := newPlace(t, nil)
	gone.mu.Lock()
	for range 2 * maxFailed {
		gone.acts = append(gone.acts, act{status: 404})
	}
	gone.mu.Unlock()
	for i := range maxFailed + 10 {
		_, _ = read(t, c, Source{Src: fmt.Sprintf("%s/%d", gone.url, i)})
	}
	eventually(t, func() bool { return begun() > 0 })
}

// peek is what is fetched next.
func (c *Cache) peek() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	running := c.running
	c.running = 0
	f := c.next()
	c.running = running
	c.queue = append(c.queue, f)
	return f.src.Src
}
