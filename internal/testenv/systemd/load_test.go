package systemd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// clients is a load of machines and what became of it.
type clients struct {
	h        *host
	wanted   func(error) bool // failures that are allowed
	sent     atomic.Int64     // requests that were answered
	lost     atomic.Int64     // requests that failed as allowed
	numbers  atomic.Int64
	mu       sync.Mutex
	answered map[string]bool // machines whose contact was answered
	failures []error         // the first few that are not allowed
	stop     context.CancelFunc
	done     sync.WaitGroup
}

// load starts n machines that ask all the time until the returned load is ended.
func (h *host) load(n int, wanted func(error) bool, ask func(ctx context.Context, c *clients) error) *clients {
	ctx, stop := context.WithCancel(h.ctx)
	c := &clients{h: h, wanted: wanted, answered: map[string]bool{}, stop: stop}
	h.t.Cleanup(c.end)
	for range n {
		c.done.Go(func() {
			for ctx.Err() == nil {
				// The request in flight is not cut off: it would be a failure that nobody caused.
				c.count(ask(context.WithoutCancel(ctx), c))
				time.Sleep(2 * time.Millisecond) // 2 cores serve the load and make it
			}
		})
	}
	return c
}

func (c *clients) count(err error) {
	switch {
	case err == nil:
		c.sent.Add(1)
	case c.wanted != nil && c.wanted(err):
		c.lost.Add(1)
	default:
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.failures) < 10 {
			c.failures = append(c.failures, err)
		}
	}
}

// end lets the requests in flight finish.
func (c *clients) end() {
	c.stop()
	c.done.Wait()
}

// check ends the load; none of it may have failed but as allowed.
func (c *clients) check() {
	c.h.t.Helper()
	c.end()
	for _, err := range c.failures {
		c.h.t.Errorf("a request failed: %v", err)
	}
	c.h.t.Logf("%d requests answered, %d lost as allowed", c.sent.Load(), c.lost.Load())
}

// awaitProgress waits until that many more requests were answered.
func (c *clients) awaitProgress(more int64) {
	c.h.t.Helper()
	end, was := time.Now().Add(time.Minute), c.sent.Load()
	for c.sent.Load() < was+more {
		c.mu.Lock()
		failed := len(c.failures) > 0
		c.mu.Unlock()
		if failed || time.Now().After(end) {
			c.check()
			c.h.t.Fatalf("only %d of %d requests were answered", c.sent.Load()-was, more)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// contacts has each machine ask once for what to boot, as a new one each time, over a connection of
// its own.
func contacts() func(context.Context, *clients) error {
	var ask func(context.Context, *clients) error
	var once sync.Once
	return func(ctx context.Context, c *clients) error {
		once.Do(func() { ask = contactsOver(c.h.client(false)) })
		return ask(ctx, c)
	}
}

func contactsOver(client *http.Client) func(context.Context, *clients) error {
	return func(ctx context.Context, c *clients) error {
		n := c.numbers.Add(1)
		mac := fmt.Sprintf("52:54:%02x:%02x:%02x:%02x", byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
		if err := send(ctx, client, http.MethodGet, "/pxe/"+mac, nil); err != nil {
			return err
		}
		c.mu.Lock()
		c.answered[mac] = true
		c.mu.Unlock()
		return nil
	}
}

// reports has each machine send its hardware over a connection that is kept. The body cannot be sent
// again by net/http in silence.
func reports(h *host) func(context.Context, *clients) error {
	client := h.client(true)
	h.t.Cleanup(client.CloseIdleConnections)
	return func(ctx context.Context, c *clients) error {
		n := c.numbers.Add(1) % 50
		body := `{"lshw":{"id":"machine","class":"system","serial":"S` + fmt.Sprint(n) + `"},"disks":[]}`
		return send(ctx, client, http.MethodPost, fmt.Sprintf("/pxe/52:54:00:00:01:%02x/inventory", n), io.MultiReader(strings.NewReader(body)))
	}
}

func send(ctx context.Context, client *http.Client, method, path string, body io.Reader) error {
	request, err := http.NewRequestWithContext(ctx, method, url(path), body)
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("%s %s: half an answer: %w", method, path, err)
	}
	if answer.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, said)
	}
	return nil
}

// cutOff holds for a request that a dying process took with it; a refused connection is another thing.
func cutOff(err error) bool {
	var broken *net.OpError
	if errors.As(err, &broken) && broken.Op == "dial" {
		return false
	}
	// The last is net/http's word for an end that it saw before it had written the request.
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		err != nil && strings.Contains(err.Error(), "server closed idle connection")
}

// control is a client of the control socket, from outside.
func (h *host) control() *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", h.inside("/run/bty/control.sock"))
	}
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}

// ask reads from the control socket.
func (h *host) ask(path string) string {
	h.t.Helper()
	answer, err := h.control().Get("http://bty" + path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		h.t.Fatalf("%s: %s, %v: %s", path, answer.Status, err, said)
	}
	return string(said)
}

// checkKept looks for every machine whose contact was answered.
func (c *clients) checkKept() {
	c.h.t.Helper()
	known := c.h.ask("/machines")
	lost := 0
	for mac := range c.answered {
		if !strings.Contains(known, `"`+mac+`"`) {
			if lost++; lost <= 5 {
				c.h.t.Errorf("the contact of %s was answered and is lost", mac)
			}
		}
	}
	c.h.t.Logf("%d answered contacts of new machines, %d of them lost", len(c.answered), lost)
}
