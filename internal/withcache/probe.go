package withcache

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
)

// said is what a cache answered.
type said struct {
	has   bool // the bytes
	pins  bool // it names its bytes by their digest, so it looks at the one that a URL names
	alive bool // it answered at all
	late  bool // it would have, maybe, later
}

func (c *Cache) probe(ctx context.Context, url string) said {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return said{}
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return said{late: errors.Is(err, context.DeadlineExceeded)}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<10))
	resp.Body.Close()
	return said{has: resp.StatusCode == http.StatusOK, pins: strings.HasPrefix(resp.Header.Get("ETag"), `"sha256:`), alive: true}
}
