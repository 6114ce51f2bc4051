package library

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"bty/internal/catalog"
)

const (
	fetchTime     = 30 * time.Second
	sizeTime      = 10 * time.Second
	maxDigestFile = 1 << 20 // bytes
)

// fetchDigest reads a sha256sum file and returns the digest that it lists for name.
func (l *Library) fetchDigest(ctx context.Context, url, name string) (catalog.Digest, error) {
	body, err := l.get(ctx, url, maxDigestFile)
	if err != nil {
		return catalog.Digest{}, err
	}
	return catalog.FindDigest(body, name)
}

// errTooLarge is a file of more bytes than are read.
var errTooLarge = errors.New("too large")

// get returns a file of at most limit bytes.
func (l *Library) get(ctx context.Context, url string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
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
	body, err := readAll(resp.Body, limit)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", url, err)
	}
	return body, nil
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(body)) > limit {
		return nil, fmt.Errorf("%w: larger than %d bytes", errTooLarge, limit)
	}
	return body, err
}

// fetchSize asks the origin how long the image is; 0 if it does not say. An origin that is down
// now need not be when a machine is flashed.
func (l *Library) fetchSize(ctx context.Context, url string) int64 {
	size, err := l.head(ctx, url)
	if err != nil {
		return 0
	}
	return size
}

// head asks an origin for the length of an image, 0 if it answers without one.
func (l *Library) head(ctx context.Context, url string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, sizeTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := l.HTTP.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("HEAD %s: %s", url, resp.Status)
	}
	return max(0, resp.ContentLength), nil
}
