package agent

import (
	"context"
	"net/http"
	"sync"
	"time"

	"bty/internal/client"
	"bty/internal/wire"
)

// reporter posts progress about once a second and at every change of stage. It is best effort:
// report never waits, a server that is slow gets fewer posts, and one that does not know the
// route gets no more.
type reporter struct {
	post   func(context.Context, wire.Progress) error
	kick   chan struct{}
	closed chan struct{}
	ended  chan struct{}
	cancel context.CancelFunc

	mu     sync.Mutex
	stages []wire.Progress // first report of each stage not posted yet
	latest wire.Progress
	fresh  bool            // latest was not posted yet
	missed []wire.Progress // what is said once and was not heard: is said again with the next stage
}

// maxStages bounds the changes of stage that wait for a slow server.
const maxStages = 16

// lastPosts is how long a finished flash waits for posts in flight.
const lastPosts = 2 * time.Second

func startReporter(ctx context.Context, c *client.Client, beat time.Duration) *reporter {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &reporter{
		post: c.Progress, cancel: cancel,
		kick: make(chan struct{}, 1), closed: make(chan struct{}), ended: make(chan struct{}),
	}
	go func() {
		defer close(r.ended)
		r.run(ctx, beat)
	}()
	return r
}

// report takes note of p and returns at once.
func (r *reporter) report(p wire.Progress) {
	r.mu.Lock()
	changed := p.Stage != r.latest.Stage
	r.latest = p
	r.fresh = !changed
	if changed {
		if len(r.stages) == maxStages {
			r.stages = r.stages[1:]
		}
		r.stages = append(r.stages, p)
	}
	r.mu.Unlock()
	if changed {
		select {
		case r.kick <- struct{}{}:
		default:
		}
	}
}

// stop posts the changes of stage that are left, for a bounded time, and ends.
func (r *reporter) stop() {
	close(r.closed)
	timer := time.AfterFunc(lastPosts, r.cancel)
	<-r.ended
	timer.Stop()
	r.cancel()
}

func (r *reporter) run(ctx context.Context, beat time.Duration) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if !r.send(ctx, r.current()) {
				return
			}
		case <-r.kick:
			if !r.drain(ctx) {
				return
			}
		case <-r.closed:
			_ = r.drain(ctx) && r.drain(ctx) // what the first one misses
			return
		}
	}
}

// drain posts each change of stage; false means that the server does not know the route.
func (r *reporter) drain(ctx context.Context) bool {
	r.mu.Lock()
	r.stages, r.missed = append(r.missed, r.stages...), nil
	r.mu.Unlock()
	for {
		r.mu.Lock()
		if len(r.stages) == 0 {
			r.mu.Unlock()
			return true
		}
		p := r.stages[0]
		r.stages = r.stages[1:]
		r.mu.Unlock()
		if !r.send(ctx, &p) {
			return false
		}
	}
}

// current is the latest progress within a stage, nil if it was posted.
func (r *reporter) current() *wire.Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.fresh || len(r.stages) > 0 {
		return nil
	}
	r.fresh = false
	p := r.latest
	return &p
}

// send is false when nothing more is to be sent. Any other failure is that post's only.
func (r *reporter) send(ctx context.Context, p *wire.Progress) bool {
	if p == nil {
		return true
	}
	err := r.post(ctx, *p)
	if p.Detail != "" && client.Retryable(err) {
		r.mu.Lock()
		r.missed = append(r.missed, *p)
		r.mu.Unlock()
	}
	switch client.CodeOf(err) {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return false // a server from before this route: never ask again
	}
	return ctx.Err() == nil
}
