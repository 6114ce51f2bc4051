package agent

import (
	"context"
	"errors"

	"bty/internal/flash"
	"bty/internal/wire"
)

// errTaken means that the server's plan came first.
var errTaken = errors.New("the server has a plan for this machine now, which is followed instead; nothing was written")

// Chosen flashes what a person chose on this machine. The server hears how it went before Chosen
// returns, so that no report waits for a person; told is why it could not, nil without a server.
func (a *Agent) Chosen(ctx context.Context, req flash.Request, pick wire.Pick, report func(flash.Progress)) (done flash.Result, told, err error) {
	if !a.hands.TryLock() {
		return flash.Result{}, nil, errTaken
	}
	defer a.hands.Unlock()
	r := &run{Agent: a, limits: a.Limits.filled()}
	req.Log = a.Console.Logger()
	a.Console.Line("a person picked %s for %s", pick.Image, pick.Disk)
	if a.Client == nil {
		done, err = a.flashed(ctx, req, report)
		a.outcome(req.Source, err)
		return done, nil, err
	}
	// Best effort, as progress is: a server that does not know picks refuses it.
	if failed := a.Client.Picked(ctx, pick); failed != nil {
		a.Console.Line("the server does not know what was picked: %v", failed)
	}
	reports := startReporter(ctx, a.Client, r.limits.Beat)
	done, err = a.flashed(ctx, req, func(p flash.Progress) {
		report(p)
		reports.report(wire.Progress(p))
	})
	reports.stop()
	a.outcome(req.Source, err)
	r.limits.Status = r.limits.Person
	report(flash.Progress{Stage: StageReport})
	if err != nil {
		return done, r.tell(ctx, wire.Status{Status: wire.StatusFailed, Reason: Reason(err, req.Source)}), err
	}
	return done, r.tell(ctx, wire.Status{Status: wire.StatusDone}), nil
}

// outcome is for the consoles that the wizard is not on: one of them is somebody's log.
func (a *Agent) outcome(source string, err error) {
	if err != nil {
		a.Console.Line("flash failed: %s", Reason(err, source))
		return
	}
	a.Console.Line("flash complete; what comes next is for the person to say")
}

// StageReport is the stage after those of the flasher: the server is told.
const StageReport = "report"
