package fill

import (
	"errors"
	"slices"

	"bty/internal/blob"
	"bty/internal/catalog"
)

// Pin keeps what a source leads to from being evicted, also what it leads to later.
func (c *Cache) Pin(src string, pinned bool) error {
	key, err := Key(src)
	if err != nil {
		return err
	}
	c.mu.Lock()
	err, store := c.open(), c.store
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return store.Pin(key, pinned) // it writes, and nobody waits for that
}

// Delete removes what is held of a source, a fetch on its way included. A blob that another source
// leads to stays for that one.
func (c *Cache) Delete(src string) error {
	key, err := Key(src)
	if err != nil {
		return err
	}
	return c.delete(func(f *fill) bool { return f.id.key == key }, func(s *blob.Store) error { return s.Unbind(key) })
}

// DeleteDigest removes a blob, whatever leads to it, and fetches of it.
func (c *Cache) DeleteDigest(d catalog.Digest) error {
	return c.delete(func(f *fill) bool { return f.leadsTo(d) }, func(s *blob.Store) error { return s.Delete(d) })
}

func (c *Cache) delete(which func(*fill) bool, held func(*blob.Store) error) error {
	c.mu.Lock()
	if err := c.open(); err != nil {
		c.mu.Unlock()
		return err
	}
	store, cancelled := c.store, c.cancelAll(which)
	c.mu.Unlock()
	return gone(cancelled, held(store))
}

func gone(cancelled bool, err error) error {
	if errors.Is(err, blob.ErrNotHeld) {
		if cancelled {
			return nil
		}
		return ErrNotHeld
	}
	return err
}

// cancelAll ends fetches: a running one as soon as it notices, the others at once.
func (c *Cache) cancelAll(which func(*fill) bool) (any bool) {
	for _, f := range c.fills {
		if !which(f) {
			continue
		}
		any = true
		switch waiting := slices.Index(c.queue, f); {
		case waiting >= 0:
			c.queue = slices.Delete(c.queue, waiting, waiting+1)
			c.settle(f, ErrDeleted)
		case f.ended:
			delete(c.fills, f.id)
			c.discard(f)
		default:
			f.cancel(ErrDeleted)
		}
	}
	return any
}
