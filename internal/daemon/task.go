package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bty/internal/systemd"
)

// running is a task that has been started.
type running struct {
	task   Task
	cancel context.CancelFunc
	done   chan struct{}
}

// start runs t; its failure ends the daemon through fail.
func start(ctx context.Context, t Task, fail context.CancelCauseFunc) *running {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{task: t, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		if err := t.Run(ctx); err != nil {
			fail(fmt.Errorf("%s: %w", t, err))
		}
	}()
	return r
}

// awaitReady reports whether the task became ready (or ended well) before anything stopped us.
func (r *running) awaitReady(ctx, work context.Context) bool {
	select {
	case <-r.task.Ready():
	case <-r.done:
	case <-ctx.Done():
	case <-work.Done():
	}
	return ctx.Err() == nil && work.Err() == nil
}

// stop ends the tasks, the last one first.
func (d *Daemon) stop(started []*running) error {
	limit := d.StopTimeout
	if limit == 0 {
		limit = 15 * time.Second
	}
	var late []error
	for _, r := range slices.Backward(started) {
		r.cancel()
		select {
		case <-r.done:
			d.say(systemd.Watchdog()) // it does its work: one that comes back is still watched
		case <-time.After(limit):
			late = append(late, fmt.Errorf("%s did not stop within %v", r.task, limit))
		}
	}
	return errors.Join(late...)
}

// failure is the error of the task that failed first, nil if none did.
func failure(work context.Context) error {
	if work.Err() == nil {
		return nil
	}
	return context.Cause(work)
}

// Func makes a task of a function that is ready as soon as it runs.
func Func(name string, run func(ctx context.Context) error) Task {
	return &funcTask{name: name, run: run, ready: make(chan struct{})}
}

// First makes a task of a function that the tasks after it wait for: it is ready when it returns.
func First(name string, run func(ctx context.Context) error) Task {
	return &firstTask{name: name, run: run, ready: make(chan struct{})}
}

type firstTask struct {
	name  string
	run   func(ctx context.Context) error
	ready chan struct{}
}

func (t *firstTask) String() string         { return t.name }
func (t *firstTask) Ready() <-chan struct{} { return t.ready }
func (t *firstTask) Run(ctx context.Context) error {
	if err := t.run(ctx); err != nil {
		return err
	}
	close(t.ready)
	return nil
}

type funcTask struct {
	name  string
	run   func(ctx context.Context) error
	ready chan struct{}
}

func (t *funcTask) String() string         { return t.name }
func (t *funcTask) Ready() <-chan struct{} { return t.ready }
func (t *funcTask) Run(ctx context.Context) error {
	close(t.ready)
	return t.run(ctx)
}
