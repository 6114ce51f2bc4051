// Package job runs long work in the background: a queue of keys, a few workers, and what is known
// of each job while it waits, works and for a while after it has ended.
package job

import (
	"errors"
	"time"
)

// Status is where a job is.
type Status string

const (
	Queued    Status = "queued"
	Running   Status = "running"
	Completed Status = "completed"
	Cancelled Status = "cancelled"
	Failed    Status = "failed"
)

// Ended reports whether nothing will happen to the job any more.
func (s Status) Ended() bool { return s != Queued && s != Running }

// State is what is known of one job. T is what its work tells about itself; a copy of it must not
// share memory that the work still changes.
type State[T any] struct {
	Key        string
	Status     Status
	QueuedAt   time.Time
	StartedAt  time.Time // zero while it waits
	FinishedAt time.Time // zero until it has ended
	Cancelling bool      // somebody asked a running job to end, and it has not yet
	Err        error     // why it failed
	Detail     T
}

var (
	// ErrCancelled is the cause of a job's context once somebody cancelled the job.
	ErrCancelled = errors.New("the job was cancelled")
	// ErrStopping is the cause of a job's context once the pool stops.
	ErrStopping = errors.New("the process is stopping")
)

// entry is a State with what the pool needs to steer the job.
type entry[T any] struct {
	State[T]
	cancel  func(error)
	held    bool          // it is being put on record, and does not begin before
	toldAt  time.Time     // when progress was last announced
	changed chan struct{} // closed once the job has ended
}
