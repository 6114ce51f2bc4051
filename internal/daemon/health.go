package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"bty/internal/message"
	"bty/internal/systemd"
)

// Health is where a daemon answers `NAME --health`, for container engines: they run the program once
// more beside it. Where systemd runs the daemon, its watchdog and `systemctl status` are for that, and
// there is no Health.
//
// The socket is in the kernel's abstract names: it needs no folder that can be written and no port,
// and exists in the container's own network even if that has no way out.
type Health struct{ listener *net.UnixListener }

const (
	healthTime  = 5 * time.Second // for the whole answer
	healthLimit = 4 << 10         // bytes of it
	healthMany  = 4               // askers at a time; more wait
)

// ListenHealth opens the socket of the daemon called name; nil if there is to be none. Without one the
// daemon serves as well.
func ListenHealth(name, runDir string, getenv func(string) string, log *slog.Logger) *Health {
	if systemd.IsService(getenv) {
		return nil
	}
	address := healthAddress(name, runDir)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: address, Net: "unix"})
	if err != nil {
		log.Warn("this daemon cannot be asked for its health", message.HealthMissing, "path", address, "err", err)
		return nil
	}
	return &Health{l}
}

// Close gives the socket up. A nil Health is closed.
func (h *Health) Close() error {
	if h == nil {
		return nil
	}
	return h.listener.Close()
}

// healthAddress is the daemon's alone among all that share its network: containers on the host's
// network differ in their process ids' namespace, daemons that somebody started by hand in the folder
// of their sockets.
func healthAddress(name, runDir string) string {
	pids, _ := os.Readlink("/proc/self/ns/pid") // without /proc, "" for both sides
	sum := sha256.Sum256([]byte(pids + "\x00" + runDir))
	return "@bty-health/" + name + "/" + hex.EncodeToString(sum[:8])
}

// stage is how far a daemon is; "" is ready.
type stage struct {
	mu   sync.Mutex
	text string
}

func (s *stage) set(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = text
}

func (s *stage) get() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text
}

// answerHealth answers askers until the returned function is called, which waits for the last one. It
// keeps the listener: an asker between two runs of one process waits for the next.
func (d *Daemon) answerHealth() (stop func()) {
	if d.Health == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	free := make(chan struct{}, healthMany)
	_ = d.Health.listener.SetDeadline(time.Time{}) // of the run before; a closed one says so to Accept
	all.Go(func() {
		for {
			free <- struct{}{}
			conn, err := d.Health.listener.Accept()
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				if err == nil {
					conn.Close()
				}
				return
			}
			if err != nil { // out of descriptors, for example
				time.Sleep(100 * time.Millisecond)
				<-free
				continue
			}
			all.Go(func() {
				defer func() { <-free }()
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(healthTime))
				_, _ = io.WriteString(conn, d.healthLine(ctx)+"\n") // who went away hears nothing
			})
		}
	})
	return func() {
		cancel()
		_ = d.Health.listener.SetDeadline(time.Unix(1, 0)) // wakes Accept
		all.Wait()
	}
}

const healthy = "healthy"

func (d *Daemon) healthLine(ctx context.Context) string {
	if at := d.stage.get(); at != "" {
		return "not healthy: " + at
	}
	ctx, cancel := context.WithTimeout(ctx, healthTime*4/5)
	defer cancel()
	if err := d.check(ctx); err != nil {
		return oneLine("not healthy: " + err.Error())
	}
	if d.Usable != nil {
		if err := d.Usable(ctx); err != nil {
			return oneLine("not healthy: " + err.Error())
		}
	}
	if d.Status == nil {
		return healthy
	}
	return oneLine(healthy + ": " + d.Status())
}

func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return text[:min(len(text), healthLimit-1)]
}

// AskHealth asks the daemon called name and prints its line. The error is why it is not healthy.
func AskHealth(ctx context.Context, name, runDir string, stdout io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", healthAddress(name, runDir))
	if errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("not healthy: nobody answers; it does not run here, or systemd runs it: systemctl status %s", name)
	}
	if err != nil {
		return fmt.Errorf("not healthy: %w", err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	answer, err := io.ReadAll(io.LimitReader(conn, healthLimit))
	line := strings.TrimSpace(string(answer))
	switch {
	case line == "" && (err == nil || errors.Is(err, unix.ECONNRESET)):
		return errors.New("not healthy: it ended instead of answering")
	case err != nil:
		return fmt.Errorf("not healthy: no answer within %v (%w): it still starts, or hangs; its log says more", healthTime, err)
	case line == healthy || strings.HasPrefix(line, healthy+": "):
		_, err := fmt.Fprintf(stdout, "%s: %s\n", name, line)
		return err
	}
	return errors.New(line)
}
