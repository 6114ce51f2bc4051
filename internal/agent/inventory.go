package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"bty/internal/client"
	"bty/internal/disk"
	"bty/internal/wire"
)

// inventory is the report of disks and hardware, made in the background from the run's first
// moment on, once. The plan does not wait for it; an exit does, for a bounded time.
type inventory struct {
	known  chan struct{} // closed once the server knows the machine
	done   chan struct{} // closed when err is final
	err    error
	cancel context.CancelFunc

	abandoned bool // the run has said why, or says it with its error
}

func (r *run) startInventory(ctx context.Context) *inventory {
	ctx, cancel := context.WithCancel(ctx)
	inv := &inventory{known: make(chan struct{}), done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(inv.done)
		inv.err = r.sendInventory(ctx, inv.known)
	}()
	return inv
}

// machineIsKnown says that the server has answered a plan: that registers a machine it had
// never seen, and an inventory refused with 404 before may be sent again.
func (inv *inventory) machineIsKnown() { close(inv.known) }

// abandon stops without waiting for an answer.
func (inv *inventory) abandon() {
	inv.abandoned = true
	inv.cancel()
}

// joinGrace is how long a report that was given up may take to end.
const joinGrace = 2 * time.Second

// join waits for the report for at most limit, then gives it up. False means that it hangs in a
// system call that nothing ends: its goroutine is lost.
func (inv *inventory) join(limit time.Duration) bool {
	defer inv.cancel()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-inv.done:
		return true
	case <-timer.C:
	}
	inv.cancel()
	timer.Reset(joinGrace)
	select {
	case <-inv.done:
		return true
	case <-timer.C:
		return false
	}
}

// endInventory ends the report with the run. One that failed is said: without it the operator
// looks at old disks and does not know it.
func (r *run) endInventory(ctx context.Context, inv *inventory) {
	if !inv.join(r.limits.Join) {
		r.Console.Line("the inventory was not delivered: a disk of this machine does not answer; going on without it")
		return
	}
	if inv.err != nil && !inv.abandoned && ctx.Err() == nil {
		r.Console.Line("the inventory was not delivered: %v", inv.err)
	}
}

// inventoried is the plan "inventory": the report from the background is the one that was
// asked for, so it is awaited, not sent a second time.
func (r *run) inventoried(inv *inventory) (Outcome, error) {
	<-inv.done
	if inv.err != nil {
		inv.abandoned = true
		return Outcome{}, fmt.Errorf("inventory was not delivered to %s: %w", r.Client.Server(), inv.err)
	}
	r.Console.Line("inventory delivered to %s", r.Client.Server())
	return Outcome{Result: Inventoried}, nil
}

func (r *run) sendInventory(ctx context.Context, known <-chan struct{}) error {
	inv, err := r.gather(ctx)
	if err != nil {
		return err
	}
	send := func(ctx context.Context) error { return r.Client.Inventory(ctx, inv) }
	deliver := func() error {
		return r.limits.Inventory.retry(ctx, client.Retryable, func(error) {}, send)
	}
	err = deliver()
	if client.CodeOf(err) != 404 {
		return err
	}
	select {
	case <-known:
		return deliver()
	case <-ctx.Done():
		return err
	}
}

// gather describes the machine. What cannot be read is left out: a report without hardware is
// still worth having, and one without disks is valid. Only disks that hang are an error: a report
// without them would delete what the server knows.
func (r *run) gather(ctx context.Context) (wire.Inventory, error) {
	hardware := make(chan json.RawMessage, 1)
	go func() {
		tree, err := r.Hardware()
		if err != nil {
			tree = nil
		}
		hardware <- tree
	}()
	var inv wire.Inventory
	disks, err := r.settledDisks(ctx)
	if err != nil {
		return inv, err
	}
	for _, d := range disks {
		inv.Disks = append(inv.Disks, d.ToMachineDisk())
	}
	limit := time.NewTimer(r.limits.Hardware)
	defer limit.Stop()
	select {
	case inv.LSHW = <-hardware:
	case <-limit.C: // reading /sys of dying hardware may never return; that goroutine is lost
		r.Console.Line("the hardware did not describe itself within %v; reporting disks only", r.limits.Hardware)
	case <-ctx.Done():
	}
	return inv, nil
}

// settledDisks waits until the list of disks stays the same: the kernel finds disks in the
// background, and one that is missing here cannot be chosen by the operator.
func (r *run) settledDisks(ctx context.Context) ([]disk.Device, error) {
	begun := time.Now()
	last, err := r.listed(ctx)
	since := time.Now()
	for err == nil && time.Since(begun) < r.limits.LateDisks {
		if len(last) > 0 && time.Since(since) >= r.limits.Settle {
			break
		}
		if len(last) == 0 && time.Since(since) >= r.limits.LateDisks/2 {
			break
		}
		if sleep(ctx, min(r.limits.Rescan, r.limits.Settle)) != nil {
			break
		}
		var now []disk.Device
		if now, err = r.listed(ctx); !reflect.DeepEqual(now, last) {
			last, since = now, time.Now()
		}
	}
	return last, err
}

// listed is the list of disks, empty if it cannot be had just now; an error is one that hangs.
func (r *run) listed(ctx context.Context) ([]disk.Device, error) {
	disks, err := r.disks(ctx)
	if errors.Is(err, errHung) {
		return nil, err
	}
	if err != nil {
		return nil, nil
	}
	return disks, nil
}

var errHung = errors.New("a disk of this machine does not answer, it may be dying")

// disks lists the disks, for a bounded time: to ask a dying disk who it is may never return. That
// goroutine is lost then, as is one call of the run at most for each place that asks.
func (r *run) disks(ctx context.Context) ([]disk.Device, error) {
	type list struct {
		disks []disk.Device
		err   error
	}
	listed := make(chan list, 1)
	go func() {
		disks, err := r.Disks(ctx)
		listed <- list{disks, err}
	}()
	limit := time.NewTimer(r.limits.Disks)
	defer limit.Stop()
	select {
	case l := <-listed:
		return l.disks, l.err
	case <-limit.C:
		return nil, fmt.Errorf("%w (waited %v)", errHung, r.limits.Disks)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
