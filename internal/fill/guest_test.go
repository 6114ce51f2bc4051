package fill

import (
	"errors"
	"fmt"
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
