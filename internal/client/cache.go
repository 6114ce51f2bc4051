package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"syscall"
	"time"

	"bty/internal/owner"
	"bty/internal/wire"
)

const cacheDaemon = "bty-cache"

// CacheTimeout is how long bty-cache may take for one call.
const CacheTimeout = 10 * time.Second

// Cache talks to bty-cache of this host over its control socket.
type Cache struct{ control *Control }

// NewCache returns a client of the socket at path. agent names the calling program.
func NewCache(path, agent string) *Cache { return &Cache{newControl(path, agent, cacheDaemon)} }

// Close drops idle connections.
func (c *Cache) Close() { c.control.Close() }

// Status is what the cache holds and does.
func (c *Cache) Status(ctx context.Context) (status wire.CacheStatus, err error) {
	err = c.call(ctx, http.MethodGet, "/status", nil, &status)
	return status, err
}

// Publish replaces the list of what the cache may fetch.
func (c *Cache) Publish(ctx context.Context, all wire.CacheSources) error {
	return c.call(ctx, http.MethodPut, "/sources", all, nil)
}

// Warm has a source fetched, unless it is there or on its way.
func (c *Cache) Warm(ctx context.Context, s wire.CacheSource) error {
	return c.call(ctx, http.MethodPost, "/warm", s, nil)
}

// Pin keeps a source from giving way to others, or lets it.
func (c *Cache) Pin(ctx context.Context, p wire.CachePin) error {
	return c.call(ctx, http.MethodPost, "/pin", p, nil)
}

// Delete drops what is held of a source, and ends a fetch of it.
func (c *Cache) Delete(ctx context.Context, r wire.CacheRef) error {
	return c.call(ctx, http.MethodPost, "/delete", r, nil)
}

func (c *Cache) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, CacheTimeout, &StallError{URL: c.control.path + path, Limit: CacheTimeout})
	defer cancel()
	return c.control.Call(ctx, method, path, in, out)
}

// StartCache is how an image cache comes to be on this host: a command, and the words for it.
func StartCache() (command, words string) {
	return owner.Switch("bty-cache.socket", owner.InContainer())
}

func (e *SocketError) ofCache() string {
	switch {
	case errors.Is(e.Cause, fs.ErrNotExist):
		_, start := StartCache()
		return fmt.Sprintf("there is no image cache on this host (no socket %s); to have one, %s", e.Path, start)
	case errors.Is(e.Cause, fs.ErrPermission):
		return fmt.Sprintf("this user may not open the image cache's control socket %s; the group bty may", e.Path)
	case errors.Is(e.Cause, syscall.ECONNREFUSED):
		return fmt.Sprintf("nobody listens on the image cache's control socket %s; systemctl start bty-cache.socket, and journalctl -u bty-cache says why it ended", e.Path)
	}
	return fmt.Sprintf("the image cache's control socket %s: %v", e.Path, e.Cause)
}
