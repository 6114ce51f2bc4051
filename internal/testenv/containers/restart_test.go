package containers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// restarts is how many under load: each is the end of a container and the start of another.
const restarts = 5

// bty-web's container is restarted while twenty machines ask, each time on a connection of its own: not
// one request fails.
func TestRestartLosesNothing(t *testing.T) {
	t.Parallel()
	h := appliance(t)
	h.get("/healthz")
	ctx, stop := context.WithCancel(h.ctx)
	var answered, number atomic.Int64
	var machines sync.WaitGroup
	failed := make(chan error, 100)
	for range 20 {
		machines.Go(func() {
			for ctx.Err() == nil {
				if err := h.contact(number.Add(1)); err != nil {
					select {
					case failed <- err:
					default:
					}
					return
				}
				answered.Add(1)
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	for range restarts {
		for was, end := answered.Load(), time.Now().Add(time.Minute); answered.Load() < was+50 && len(failed) == 0; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("machines are not answered any more")
			}
		}
		before := h.process("bty-web")
		h.run("systemctl", "restart", "bty-web.service")
		if h.process("bty-web") == before {
			t.Error("the container is the same after the restart")
		}
	}
	stop()
	machines.Wait()
	close(failed)
	for err := range failed {
		t.Errorf("a request failed: %v", err)
	}
	t.Logf("%d requests over %d restarts", answered.Load(), restarts)
}

// contact has a machine that nobody knows yet ask what to boot.
func (h *host) contact(n int64) error {
	answer, err := h.client().Get(url(fmt.Sprintf("/pxe/52:54:01:%02x:%02x:%02x", byte(n>>16), byte(n>>8), byte(n))))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s, %w", answer.Status, err)
	}
	return nil
}
