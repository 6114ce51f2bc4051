package liveenv

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// consoleBacklog is how many writes may wait for one console: at 115,200 baud a few seconds.
const consoleBacklog = 256

// consoles writes to all consoles of the kernel. Each has a queue and a writer of its own: a
// serial port whose far end has stopped it must not stop a flash. What does not fit is lost.
type consoles struct {
	mu     sync.Mutex
	queues []*queue
	copy   io.Writer // gets everything, lent consoles or not; nil: nobody
	closed bool
	wg     sync.WaitGroup
}

// queue is what waits for one console.
type queue struct {
	w       io.Writer
	wait    chan []byte
	pending int  // how many writes wait or are under way
	lent    bool // somebody else writes to it
}

func newConsoles(writers []io.Writer) *consoles {
	c := &consoles{}
	for _, w := range writers {
		q := &queue{w: w, wait: make(chan []byte, consoleBacklog)}
		c.queues = append(c.queues, q)
		c.wg.Go(func() {
			for b := range q.wait {
				// A console that cannot be written has nobody to tell.
				_, _ = w.Write(b)
				c.written(q)
			}
		})
	}
	return c
}

func (c *consoles) written(q *queue) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q.pending--
}

// also gives w a copy of everything from now on. w must not wait.
func (c *consoles) also(w io.Writer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.copy = w
}

// Write gives p to every console and never fails.
func (c *consoles) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return len(p), nil
	}
	if c.copy != nil {
		_, _ = c.copy.Write(p)
	}
	b := append([]byte(nil), p...)
	for _, q := range c.queues {
		if q.lent {
			continue
		}
		select {
		case q.wait <- b:
			q.pending++
		default:
		}
	}
	return len(p), nil
}

// lendBound is how long what was written before may take to get through.
const lendBound = 2 * time.Second

// lend keeps what is written from one console until the returned function is called: a person works
// there. The other consoles get it still. What was written before is through when lend returns: a line
// that came after the first screen would scroll it.
func (c *consoles) lend(w io.Writer) (giveBack func()) {
	set := func(lent bool) (pending int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, q := range c.queues {
			if q.w == w {
				q.lent = lent
				pending += q.pending
			}
		}
		return pending
	}
	for begun := time.Now(); set(true) > 0 && time.Since(begun) < lendBound; {
		time.Sleep(10 * time.Millisecond)
	}
	return func() { set(false) }
}

// close waits until everything is written or ctx ends.
func (c *consoles) close(ctx context.Context) {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		for _, q := range c.queues {
			close(q.wait)
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

// openConsoles opens the kernel's consoles and those that the command line names. Neither list is enough: the command line may name none, and the kernel
// takes one console per driver: with console=ttyS1 before console=ttyS0 that is ttyS1, even if
// the machine has only ttyS0.
func openConsoles(active, dev string, asked []console) (files []*os.File) {
	list, _ := os.ReadFile(active)
	for _, c := range mergeConsoles(string(list), asked) {
		if f := c.open(dev); f != nil {
			files = append(files, f)
		}
	}
	return files
}

// open returns nil for a console that does not exist.
func (c console) open(dev string) *os.File {
	// O_NOCTTY: a control-C on a noisy serial line must not signal init.
	f, err := os.OpenFile(filepath.Join(dev, c.name), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil
	}
	// A serial port without hardware opens well, and then answers everything with EIO.
	mode, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS2)
	if err != nil {
		f.Close()
		return nil
	}
	if c.speed > 0 {
		// Only the kernel's own console has the right speed already; others begin with 9600.
		mode.Cflag = mode.Cflag&^unix.CBAUD | unix.BOTHER
		mode.Ispeed, mode.Ospeed = c.speed, c.speed
		_ = unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS2, mode) // at worst it is unreadable
	}
	return f
}

// mergeConsoles is each console once: the kernel's, then the command line's, where people put
// the one that they look at last.
func mergeConsoles(active string, asked []console) []console {
	var all []console
	for name := range strings.FieldsSeq(active) {
		all = append(all, console{name: name})
	}
	all = append(all, asked...)
	var list []console
	for i, c := range all {
		comesAgain := slices.ContainsFunc(all[i+1:], func(later console) bool { return later.name == c.name })
		if !comesAgain && filepath.Base(c.name) == c.name && c.name != "." && c.name != ".." {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		return []console{{name: "console"}}
	}
	return list
}
