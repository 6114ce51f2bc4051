package main

import (
	"context"
	"fmt"
	"time"

	"bty/internal/agent"
	"bty/internal/client"
	"bty/internal/disk"
	"bty/internal/liveenv"
	"bty/internal/machine"
	"bty/internal/tui"
	"bty/internal/wire"
)

// live is the work of the live environment, which says itself when it is entered and left. What
// it returns as an error is shown on every console for a while; then the machine reboots and asks
// the server again. While the server wants a person to choose it stays up: a reboot would change
// nothing, and nobody counts them.
func live(ctx context.Context, b liveenv.Boot) (liveenv.Next, error) { return host().live(ctx, b) }

func (e env) live(ctx context.Context, b liveenv.Boot) (liveenv.Next, error) {
	console := &agent.Console{Out: b.Console}
	if b.Server == "" && len(b.Terminals) > 0 {
		return e.liveAlone(ctx, b, console)
	}
	server, err := client.ParseServer(b.Server)
	if err != nil {
		return liveenv.Reboot, fmt.Errorf("bty.server= on the kernel command line: %w", err)
	}
	e.disks = settled(b, e.disks)
	run, err := e.agent(server, b.MAC, console, true)
	if err != nil {
		return liveenv.Reboot, err
	}
	run.Stays = true
	if len(b.Terminals) > 0 {
		run.Wizard = func(ctx context.Context, plan wire.Plan) error {
			return atConsole(ctx, b, console, func(t tui.Terminal) (tui.Left, error) { return e.planned(ctx, t, run, plan, "") })
		}
	}
	_, err = run.Run(ctx)
	return liveenv.Reboot, err
}

// settled lists the disks when the drivers have found theirs.
func settled(b liveenv.Boot, disks func(context.Context) ([]disk.Device, error)) func(context.Context) ([]disk.Device, error) {
	return func(ctx context.Context) ([]disk.Device, error) {
		b.Settle(ctx)
		return disks(ctx)
	}
}

// liveAlone is a live environment that no server stands behind: a person is all there is to ask.
func (e env) liveAlone(ctx context.Context, b liveenv.Boot, console *agent.Console) (liveenv.Next, error) {
	console.Line("the kernel's command line names no server (bty.server=): a person chooses")
	e.disks = settled(b, e.disks)
	run, err := e.agent("", machine.MAC{}, console, true)
	if err != nil {
		return liveenv.Reboot, err
	}
	run.Client = nil
	return liveenv.Reboot, atConsole(ctx, b, console, func(t tui.Terminal) (tui.Left, error) {
		w := e.wizard(run, t, "", machine.MAC{})
		return tui.Run(ctx, w.terminal, w.setup, w.doing())
	})
}

// beforeAgain is the pause after a wizard that could not run, for whoever leans on the Enter key.
const beforeAgain = time.Second

// atConsole offers the wizard on every console and runs it on the one that answers, until a person
// wants the machine to reboot or ctx ends.
func atConsole(ctx context.Context, b liveenv.Boot, console *agent.Console, wizard func(tui.Terminal) (tui.Left, error)) error {
	for {
		t, ok := liveenv.AwaitEnter(ctx, b.Terminals, func() { console.Line("press Enter here for the wizard") })
		if !ok {
			return ctx.Err()
		}
		console.Line("the wizard is in use on %s", t.File.Name())
		giveBack := t.Lend()
		left, err := wizard(tui.Terminal{In: t.File, Out: t.File, Kind: t.Kind()})
		giveBack()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			console.Line("the wizard on %s: %v", t.File.Name(), err)
			time.Sleep(beforeAgain)
		case left.Reboot:
			console.Line("rebooting, as the person at %s wants", t.File.Name())
			return nil
		}
	}
}
