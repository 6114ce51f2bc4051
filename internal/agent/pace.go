package agent

import (
	"context"
	"math/rand/v2"
	"time"
)

// Pace is how a request is repeated: the first pause, doubled up to the longest, and for how
// long a new attempt may begin.
type Pace struct {
	For, First, Max time.Duration
}

func (p Pace) or(fallback Pace) Pace {
	if p == (Pace{}) {
		return fallback
	}
	return p
}

// retry calls try until it succeeds, until again says that another attempt cannot help, or
// until the time is over; it returns the last error. before is told about each pause.
func (p Pace) retry(ctx context.Context, again func(error) bool, before func(err error), try func(context.Context) error) error {
	begun := time.Now()
	for pause := p.First; ; pause = min(2*pause, p.Max) {
		err := try(ctx)
		if err == nil || ctx.Err() != nil || !again(err) {
			return err
		}
		// A power cut ends for a whole rack at one moment: spread the machines.
		wait := pause + time.Duration(rand.Int64N(int64(pause)/2+1))
		if time.Since(begun)+wait > p.For {
			return err
		}
		before(err)
		if sleep(ctx, wait) != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
