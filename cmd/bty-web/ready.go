package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/singleflight"

	"bty/internal/daemon"
)

// readyTime is how long the state may take to prove that it works.
const readyTime = 5 * time.Second

// readiness says whether new work is welcome. Anybody may ask, so all who ask at a time share one
// look at the state.
type readiness struct {
	check     func(context.Context) error
	restoring func() bool // this round ends for another state
	looks     singleflight.Group
}

// Ready returns why new work is not welcome, nil if it is.
func (r *readiness) Ready(ctx context.Context) error {
	select {
	case <-daemon.Draining(ctx):
		if r.restoring() {
			return errors.New("a restore is under way; bty-web comes back by itself")
		}
		return errors.New("bty-web is stopping")
	default:
	}
	look := r.looks.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), readyTime) // it outlives who asked first
		defer cancel()
		return nil, r.check(ctx)
	})
	select {
	case result := <-look:
		return result.Err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
