package library

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"bty/internal/catalog"
)

const (
	digestTimeout = 30 * time.Second
	sizeTimeout   = 10 * time.Second
	maxDigestFile = 1 << 20 // bytes
)

// fetchDigest reads a sha256sum file and returns the digest that it lists for name.
func (l *Library) fetchDigest(ctx context.Context, url, name string) (catalog.Digest, error) {
	ctx, cancel := context.WithTimeout(ctx, digestTimeout)
	defer cancel()
	body, err := l.get(ctx, url)
	if err != nil {
		return catalog.Digest{}, err
	}
	return catalog.FindDigest(body, name)
}

func (l *Library) get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := l.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDigestFile+1))
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", url, err)
	}
	if len(body) > maxDigestFile {
		return nil, fmt.Errorf("GET %s: larger than %d bytes", url, maxDigestFile)
	}
	return body, nil
}

// fetchSize asks the origin how long the image is; 0 if it does not say. An origin that is down
// now need not be when a machine is flashed.
func (l *Library) fetchSize(ctx context.Context, url string) int64 {
	ctx, cancel := context.WithTimeout(ctx, sizeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return 0
	}
	resp, err := l.HTTP.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ContentLength < 0 {
		return 0
	}
	return resp.ContentLength
}
