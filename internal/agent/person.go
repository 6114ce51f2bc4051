package agent

import (
	"context"
	"time"

	"bty/internal/wire"
)

// wantsPerson says whether a person must choose. A mode that is not known is one of a newer
// server, and a person can choose another.
func wantsPerson(plan wire.Plan) bool {
	switch plan.Mode {
	case wire.PlanFlash, wire.PlanInventory, wire.PlanExit:
		return false
	}
	return true
}

// interactive says what a person can do where there is no wizard: no terminal.
func (r *run) interactive(plan wire.Plan) {
	r.wants(plan)
	r.Console.Line("or by hand: images are in %s", either(plan.Catalog, r.Client.Server().Catalog()))
	r.Console.Line("            bty disks")
	r.Console.Line("            bty flash --image URL --disk SERIAL")
}

func (r *run) wants(plan wire.Plan) {
	if plan.Mode != wire.PlanInteractive {
		r.Console.Line("the server's plan %q is not known to this version", plan.Mode)
	}
	r.Console.Line("the server wants a person to choose: %s", either(plan.Reason, "no image and disk are bound to this machine"))
	r.Console.Line("set them at %s/ui/machines/%s", r.Client.Server(), r.Client.MAC())
}

// stay waits until the server wants something else, as long as it takes, or until a person is done
// with the wizard, which gives an empty plan: a machine that waits for a person does no harm, one
// that reboots for ever does. The console, which may be a log somewhere, gets a line only when what
// the server wants changes, or when it goes or comes back.
func (r *run) stay(ctx context.Context, plan wire.Plan) (wire.Plan, error) {
	r.wants(plan)
	r.Console.Line("this machine stays up and asks again every %v", r.limits.Ask)
	ctx, stop := context.WithCancel(ctx)
	done, taken := r.offer(ctx, plan), false
	defer func() {
		stop()
		<-done.ended
		if taken {
			r.hands.Unlock()
		}
	}()
	for shown, away := plan, false; ; {
		timer := time.NewTimer(r.limits.Ask)
		select {
		case <-ctx.Done():
			return wire.Plan{}, ctx.Err()
		case err := <-done.left:
			return wire.Plan{}, err
		case <-timer.C:
		}
		plan, err := r.Client.Plan(ctx)
		switch {
		case ctx.Err() != nil:
			return wire.Plan{}, ctx.Err()
		case err != nil && !away:
			r.Console.Line("the server gives no plan, asking on: %v", err)
		case err == nil && !wantsPerson(plan) && r.hands.TryLock():
			// From here on a person's choice is refused; one that is being written goes on, and
			// the plan of after it counts.
			taken = true
			r.Console.Line("the server has a plan now: %s", plan.Mode)
			return plan, nil
		case err == nil && wantsPerson(plan) && (away || plan.Mode != shown.Mode || plan.Reason != shown.Reason):
			r.wants(plan)
			shown = plan
		}
		away = err != nil
	}
}

// offered is a wizard that is offered, or in use.
type offered struct {
	left  chan error    // the person is done
	ended chan struct{} // nothing of it runs any more
}

func (r *run) offer(ctx context.Context, plan wire.Plan) offered {
	o := offered{make(chan error, 1), make(chan struct{})}
	go func() {
		defer close(o.ended)
		if r.Wizard != nil {
			o.left <- r.Wizard(ctx, plan)
		}
	}()
	return o
}
