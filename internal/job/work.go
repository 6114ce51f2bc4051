package job

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"bty/internal/message"
)

// Job is a job at work, as its work sees it.
type Job[T any] struct {
	Key  string
	pool *Pool[T]
	of   *entry[T]
}

// Update changes what is known of the job. It is announced at most once a second.
func (j *Job[T]) Update(fn func(*T)) {
	p := j.pool
	p.mu.Lock()
	fn(&j.of.Detail)
	now := p.Now()
	isDue := now.Sub(j.of.toldAt) >= announceWait
	if isDue {
		j.of.toldAt = now
	}
	state := j.of.State
	p.mu.Unlock()
	if isDue {
		p.tell(state)
	}
}

// Detail is what is known of the job.
func (j *Job[T]) Detail() T {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	return j.of.Detail
}

// Run works the queue off, first in, first out, until ctx ends. Then jobs that wait are cancelled,
// and it returns once those at work have ended.
func (p *Pool[T]) Run(ctx context.Context) error {
	if !p.begin() {
		return fmt.Errorf("the workers of %s were started twice", p.Name)
	}
	var workers sync.WaitGroup
	for range p.Workers {
		workers.Go(func() { p.work(ctx) })
	}
	<-ctx.Done()
	p.stop()
	workers.Wait()
	return nil
}

func (p *Pool[T]) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	isFirst := !p.started
	p.started = true
	return isFirst
}

func (p *Pool[T]) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		if e, jobCtx := p.next(ctx); e != nil {
			p.carryOut(jobCtx, e)
		}
	}
}

// next takes the job that has waited longest; none if it was cancelled in the meantime.
func (p *Pool[T]) next(ctx context.Context) (*entry[T], context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.jobs {
		if e.Status != Queued || e.held || p.stopped {
			continue
		}
		// What a job leaves behind must be tidied up even while the process stops: the pool ends it
		// with a cause, not the parent's end.
		jobCtx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		e.Status, e.StartedAt, e.cancel = Running, p.Now(), cancel
		return e, jobCtx
	}
	return nil, nil
}

func (p *Pool[T]) carryOut(ctx context.Context, e *entry[T]) {
	p.mu.Lock()
	e.toldAt = p.Now()
	state := e.State
	p.mu.Unlock()
	p.tell(state)
	err := p.do(ctx, e)
	status := Completed
	switch {
	case err != nil && isEnded(ctx):
		status, err = Cancelled, nil
	case err != nil:
		status = Failed
	}
	p.mu.Lock()
	e.cancel(nil)
	p.end(e, status, err)
	state = e.State
	p.mu.Unlock()
	p.tell(state)
}

func isEnded(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return errors.Is(cause, ErrCancelled) || errors.Is(cause, ErrStopping)
}

// do carries the work out. Work that panics fails alone.
func (p *Pool[T]) do(ctx context.Context, e *entry[T]) (err error) {
	defer func() {
		if r := recover(); r != nil {
			p.Log.Error("a job panicked", message.Defect, "job", p.Name, "key", e.Key, "err", fmt.Sprintf("%v\n%s", r, debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return p.Do(ctx, &Job[T]{Key: e.Key, pool: p, of: e})
}

// stop cancels what waits and asks what works to end.
func (p *Pool[T]) stop() {
	p.mu.Lock()
	p.stopped = true
	var told []State[T]
	for _, e := range append([]*entry[T]{}, p.jobs...) {
		switch e.Status {
		case Queued:
			p.end(e, Cancelled, nil)
			told = append(told, e.State)
		case Running:
			e.cancel(ErrStopping)
		case Completed, Cancelled, Failed:
		}
	}
	p.mu.Unlock()
	for _, s := range told {
		p.tell(s)
	}
}
