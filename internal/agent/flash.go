package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"bty/internal/client"
	"bty/internal/disk"
	"bty/internal/flash"
	"bty/internal/origin"
	"bty/internal/wire"
)

// flash is the plan "flash": write, and tell the server how it went, whatever it was. The
// server learns of a failure before any person is asked anything.
func (r *run) flash(ctx context.Context, plan wire.Plan) (Outcome, error) {
	r.Console.Line("auto-flash starting")
	done, err := r.write(ctx, plan)
	if err != nil {
		reason := Reason(err, plan.Image)
		r.Console.Line("flash failed: %s", reason)
		told := r.tell(ctx, wire.Status{Status: wire.StatusFailed, Reason: reason})
		return Outcome{Flash: done, Told: told}, err
	}
	told := r.tell(ctx, wire.Status{Status: wire.StatusDone})
	if r.Reboots {
		r.Console.Line("flash complete; rebooting")
	} else {
		r.Console.Line("flash complete; reboot to run from %s", done.Disk.Path)
	}
	return Outcome{Result: Flashed, Flash: done, Told: told}, nil
}

func (r *run) write(ctx context.Context, plan wire.Plan) (flash.Result, error) {
	req, err := requestOf(plan)
	if err != nil {
		return flash.Result{}, err
	}
	target, err := r.target(ctx, plan.TargetDiskSerial)
	if err != nil {
		return flash.Result{}, err
	}
	// By its serial number, not by its path: the flasher proves that on the open disk, and the
	// path may have gone to another one by then.
	req.Serial, req.Log = strings.TrimSpace(plan.TargetDiskSerial), r.Console.Logger()
	r.Console.Line("image %s (%s)", either(plan.Name, "without a name"), origin.Redact(plan.Image))
	r.Console.Line("disk %s", target)

	reports := startReporter(ctx, r.Client, r.limits.Beat)
	defer reports.stop()
	done, err := r.flashed(ctx, req, func(p flash.Progress) {
		r.Console.Progress(p)
		reports.report(wire.Progress(p))
	})
	r.Console.End()
	r.Console.Remarks(done, err)
	return done, err
}

// target finds the disk with that serial, and waits for one that the kernel has not found yet.
func (r *run) target(ctx context.Context, serial string) (disk.Device, error) {
	deadline := time.Now().Add(r.limits.LateDisks)
	for waiting := false; ; waiting = true {
		disks, err := r.disks(ctx)
		if err == nil {
			var found disk.Device
			if found, err = disk.Match(disks, serial); err == nil {
				return found, nil
			}
		}
		// Two disks with one serial stay two: waiting cannot make the choice safe.
		if !errors.Is(err, disk.ErrNoDisk) || time.Now().After(deadline) {
			return disk.Device{}, err
		}
		if !waiting {
			r.Console.Line("waiting up to %v for the disk with serial %q", r.limits.LateDisks, serial)
		}
		if sleep(ctx, r.limits.Rescan) != nil {
			return disk.Device{}, ctx.Err()
		}
	}
}

// tell reports the end of the flash until the server has heard it, for a bounded time. That
// it could not be told changes nothing about the flash: it is said on the console.
func (r *run) tell(ctx context.Context, s wire.Status) error {
	cancelled := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx)
	if cancelled {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, r.limits.LastReport)
		defer stop()
	}
	attempt := rand.Text()
	err := r.limits.Status.retry(ctx, client.Retryable, r.sayOnce("the server was not told yet"),
		func(ctx context.Context) error { return r.Client.Status(ctx, s, attempt) })
	if err == nil {
		return nil
	}
	consequence := "its page still shows the flash as running"
	if s.Status == wire.StatusDone {
		consequence = "the flash is complete, but the server may flash this machine again at its next start"
	}
	r.Console.Line("could not tell the server %q: %v; %s", s.Status, err, consequence)
	return fmt.Errorf("report %q: %w", s.Status, err)
}
