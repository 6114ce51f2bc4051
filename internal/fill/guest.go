package fill

import (
	"fmt"
	"strings"
)

// maxOfPath bounds how many addresses of one path that is not of the catalog are fetched, or wait for
// it, at one time: a query makes another address of it, and a loop over queries an attack.
const maxOfPath = 8

// crowded says why no other fetch of a source is begun. What is not of the catalog leaves half of the
// places to what is. The caller holds mu.
func (c *Cache) crowded(key string, src Source) error {
	if len(c.queue) >= maxWaiting {
		return fmt.Errorf("%w: %d", ErrBusy, len(c.queue))
	}
	if c.cfg.Listed(src.Src) {
		return nil
	}
	if len(c.queue) >= maxWaiting/2 {
		return fmt.Errorf("%w: %d, and the other places are for images of the catalog", ErrBusy, len(c.queue))
	}
	path, same := pathOf(key), 0
	for at, f := range c.fills {
		if !f.ended && pathOf(at.key) == path {
			same++
		}
	}
	if same >= maxOfPath {
		return fmt.Errorf("%w: %d of them are the same path with another query, which is not in the catalog", ErrBusy, same)
	}
	return nil
}

// pathOf is a key without its query.
func pathOf(key string) string {
	path, _, _ := strings.Cut(key, "?")
	return path
}

// guestsRun is how many places fetches have that are not of the catalog. The caller holds mu.
func (c *Cache) guestsRun() (n int) {
	for _, f := range c.fills {
		if f.cancel != nil && !f.ended && !f.rests && !c.cfg.Listed(f.src.Src) {
			n++
		}
	}
	return n
}
