package fill

import (
	"context"
	"time"
)

const (
	proveEvery = time.Minute
	// proveRate leaves a disk to those who read images.
	proveRate = 64 << 20
)

// reprove reads what is held again, one image after the other, until ctx ends.
func (c *Cache) reprove(ctx context.Context) {
	tick := time.NewTicker(min(proveEvery, c.cfg.Reprove))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c.mu.Lock()
		store := c.store
		c.mu.Unlock()
		if store == nil {
			continue
		}
		if d, found := store.Unproven(c.cfg.Now().Add(-c.cfg.Reprove)); found {
			_ = store.Prove(ctx, d, proveRate) // it is told there
		}
	}
}
