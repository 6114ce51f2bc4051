package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"
)

// Progress is told before each step.
type Progress struct {
	N, Total int // from 1
	Step     Step
}

func (p Progress) String() string { return fmt.Sprintf("[%d/%d] %s", p.N, p.Total, p.Step) }

// StepError is a step that failed. Those before it are done, those after it were not begun.
type StepError struct {
	Progress
	Doing string
	Err   error
	Back  bool // those before were taken back
}

func (e *StepError) Unwrap() error { return e.Err }

func (e *StepError) Error() string {
	s := fmt.Sprintf("%s failed in step %s: %v", e.Doing, e.Progress, e.Err)
	if errors.Is(e.Err, context.Canceled) {
		s = fmt.Sprintf("%s was interrupted in step %s", e.Doing, e.Progress)
	}
	if next := advice(e.Err, e.Step.Next); next != "" {
		s += "\n-> " + next
	}
	if e.Back {
		return s + "\nNothing else was touched, and nothing of this run is left."
	}
	return s + fmt.Sprintf("\nWhat was done before stays, and what ran before still runs. bty-lab %s again goes on from here.", e.Doing)
}

// advice is the way out of an error that can meet any step, else the step's own.
func advice(err error, own string) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "The disk is full. Make room (df -h shows where)."
	case errors.Is(err, syscall.EROFS):
		return "The file system can only be read. Mount it for writing (findmnt -T FOLDER shows it), or choose another folder."
	case errors.Is(err, fs.ErrPermission):
		return "Run it as root."
	}
	return own
}

// Run carries a plan out, and stops at the first step that fails or when ctx ends.
func (p Plan) Run(ctx context.Context, e *Engine, tell func(Progress)) error {
	if p.Doing == "purge" && len(p.Steps) > 0 { // a deploy locks when it has made the folder
		if err := e.lock(p.Dir); err != nil {
			return fmt.Errorf("purge: %w; nothing was changed", err)
		}
		defer e.unlock()
	}
	for i, step := range p.Steps {
		at := Progress{i + 1, len(p.Steps), step}
		if ctx.Err() != nil {
			return &StepError{Progress: at, Doing: p.Doing, Err: context.Cause(ctx)}
		}
		tell(at)
		if err := step.do(ctx, e); err != nil {
			return p.failed(ctx, e, at, err)
		}
	}
	return nil
}

// failed ends a run. Before anything but images was changed, all that it did is taken back; one that was
// interrupted goes on where it was.
func (p Plan) failed(ctx context.Context, e *Engine, at Progress, err error) error {
	failed := &StepError{Progress: at, Doing: p.Doing, Err: err}
	begun := p.Steps[:at.N]
	if at.N == 1 || ctx.Err() != nil || slices.ContainsFunc(begun, func(s Step) bool { return s.back == nil }) {
		return failed
	}
	for _, s := range slices.Backward(begun) {
		if err := s.back.do(ctx, e); err != nil {
			failed.Err = fmt.Errorf("%w; what was done before cannot be taken back: %s: %w", failed.Err, s, err)
			return failed
		}
	}
	failed.Back = true
	return failed
}
