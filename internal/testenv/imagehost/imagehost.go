// Package imagehost is the web server that images are published on, in tests: somebody else's,
// and not always in good health.
package imagehost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"bty/internal/testenv/diskimg"
)

// Network is where the server listens: a LAN.
type Network interface {
	Listen(ctx context.Context, address string) (*net.TCPListener, error)
}

// Host serves the files of a folder. It is down until Up.
type Host struct {
	network Network
	address string
	dir     string
	rate    atomic.Int64 // bytes per second and connection; 0 is no limit

	mu     sync.Mutex
	server *http.Server
	ranges []string
}

// New returns a host for the files in dir that will listen on address, with a port.
func New(network Network, address, dir string) *Host {
	return &Host{network: network, address: address, dir: dir}
}

// SetRate limits what one connection gets, from its next write on: a flash that takes as long
// as a test needs.
func (h *Host) SetRate(bytesPerSecond int64) { h.rate.Store(bytesPerSecond) }

// Up starts to answer.
func (h *Host) Up(ctx context.Context) error {
	listener, err := h.network.Listen(ctx, h.address)
	if err != nil {
		return fmt.Errorf("image host: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.server != nil {
		return errors.Join(errors.New("image host: it is up already"), listener.Close())
	}
	h.server = &http.Server{Handler: http.HandlerFunc(h.serve), ReadHeaderTimeout: 10 * time.Second}
	go h.server.Serve(listener)
	return nil
}

// Down cuts every connection and refuses new ones, until Up.
func (h *Host) Down() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.server != nil {
		_ = h.server.Close() // the listener is gone either way
		h.server = nil
	}
}

// Ranges is the Range header of each request for a file so far, "" for one without.
func (h *Host) Ranges() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.ranges...)
}

// Publish makes an image of the folder known with its digest beside it, as image hosts do, and
// returns both URLs.
func (h *Host) Publish(image diskimg.Image) (url, digestURL string, err error) {
	return h.PublishAs(image, image.SHA256)
}

// PublishAs is Publish with any digest, a wrong one for instance.
func (h *Host) PublishAs(image diskimg.Image, sha256 string) (url, digestURL string, err error) {
	name := filepath.Base(image.File)
	if filepath.Dir(image.File) != filepath.Clean(h.dir) {
		return "", "", fmt.Errorf("image %s is not in the folder of the image host, %s", image.File, h.dir)
	}
	line := sha256 + "  " + name + "\n"
	if err := os.WriteFile(image.File+".sha256", []byte(line), 0o644); err != nil {
		return "", "", err
	}
	url = "http://" + h.address + "/" + name
	return url, url + ".sha256", nil
}

func (h *Host) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && filepath.Ext(r.URL.Path) != ".sha256" {
		h.mu.Lock()
		h.ranges = append(h.ranges, r.Header.Get("Range"))
		h.mu.Unlock()
	}
	http.FileServer(http.Dir(h.dir)).ServeHTTP(&slowly{ResponseWriter: w, rate: &h.rate, ctx: r.Context()}, r)
}

// slowly writes in small pieces with a pause after each. It hides sendfile on purpose.
type slowly struct {
	http.ResponseWriter
	rate *atomic.Int64
	ctx  context.Context
}

func (s *slowly) Write(p []byte) (int, error) {
	const piece = 32 << 10
	written := 0
	for written < len(p) {
		n, err := s.ResponseWriter.Write(p[written:min(len(p), written+piece)])
		written += n
		if err != nil {
			return written, err
		}
		if rate := s.rate.Load(); rate > 0 {
			select {
			case <-time.After(time.Duration(n) * time.Second / time.Duration(rate)):
			case <-s.ctx.Done():
				return written, s.ctx.Err()
			}
		}
	}
	return written, nil
}
