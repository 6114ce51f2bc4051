package liveenv

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// consoleBacklog is how many writes may wait for one console: at 115,200 baud a few seconds.
const consoleBacklog = 256

// consoles writes to all consoles of the kernel. Each has a queue and a writer of its own: a
// serial port whose far end has stopped it must not stop a flash. What does not fit is lost.
type consoles struct {
	mu     sync.Mutex
	queues []chan []byte
	closed bool
	wg     sync.WaitGroup
}

func newConsoles(writers []io.Writer) *consoles {
	c := &consoles{}
	for _, w := range writers {
		queue := make(chan []byte, consoleBacklog)
		c.queues = append(c.queues, queue)
		c.wg.Go(func() {
			for b := range queue {
				// A console that cannot be written has nobody to tell.
				_, _ = w.Write(b)
			}
		})
	}
	return c
}

// Write gives p to every console and never fails.
func (c *consoles) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return len(p), nil
	}
	b := append([]byte(nil), p...)
	for _, q := range c.queues {
		select {
		case q <- b:
		default:
		}
	}
	return len(p), nil
}

// close waits until everything is written or ctx ends.
func (c *consoles) close(ctx context.Context) {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		for _, q := range c.queues {
			close(q)
		}
	}
	c.mu.Unlock()
	written := make(chan struct{})
	go func() {
		c.wg.Wait()
		close(written)
	}()
	select {
	case <-written:
	case <-ctx.Done():
	}
}

// openConsoles opens the kernel's consoles. The kernel lists those that are registered, the
// one behind /dev/console last: better than the command line, which may name ports that the
// machine lacks, or none.
func openConsoles(active, dev string) (writers []io.Writer, last *os.File) {
	list, _ := os.ReadFile(active)
	for _, name := range consoleNames(string(list)) {
		// O_NOCTTY: a control-C on a noisy serial line must not signal init.
		f, err := os.OpenFile(filepath.Join(dev, name), os.O_RDWR|openNoTTY, 0)
		if err != nil {
			continue
		}
		writers = append(writers, f)
		last = f
	}
	return writers, last
}

// consoleNames: tty0 stands for the virtual terminal in the foreground.
func consoleNames(active string) []string {
	var names []string
	for _, name := range strings.Fields(active) {
		if filepath.Base(name) == name && name != "." && name != ".." {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = []string{"console"}
	}
	return names
}
