package main

import (
	"context"
	"fmt"
	"time"

	"bty/internal/agent"
	"bty/internal/client"
	"bty/internal/disk"
	"bty/internal/liveenv"
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
	server, err := client.ParseServer(b.Server)
	if err != nil {
		return liveenv.Reboot, fmt.Errorf("bty.server= on the kernel command line: %w", err)
	}
	disks := e.disks
	e.disks = func(ctx context.Context) ([]disk.Device, error) {
		b.Settle(ctx)
		return disks(ctx)
	}
	run, err := e.agent(server, b.MAC, console, true)
	if err != nil {
		return liveenv.Reboot, err
	}
	run.Stays = true
	if len(b.Terminals) > 0 {
		run.Wizard = func(ctx context.Context, plan wire.Plan) error { return e.atConsole(ctx, b, run, plan) }
	}
	_, err = run.Run(ctx)
	return liveenv.Reboot, err
}

// beforeAgain is the pause after a wizard that could not run, for whoever leans on the Enter key.
const beforeAgain = time.Second

// atConsole offers the wizard on every console and runs it on the one that answers, until a person
// wants the machine to reboot or the server has a plan.
func (e env) atConsole(ctx context.Context, b liveenv.Boot, run *agent.Agent, plan wire.Plan) error {
	for {
		run.Console.Line("press Enter here for the wizard")
		t, ok := liveenv.AwaitEnter(ctx, b.Terminals)
		if !ok {
			return ctx.Err()
		}
		run.Console.Line("the wizard is in use on %s", t.File.Name())
		giveBack := t.Lend()
		left, err := e.planned(ctx, tui.Terminal{In: t.File, Out: t.File, Kind: t.Kind()}, run, plan, "")
		giveBack()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			run.Console.Line("the wizard on %s: %v", t.File.Name(), err)
			time.Sleep(beforeAgain)
		case left.Reboot:
			run.Console.Line("rebooting, as the person at %s wants", t.File.Name())
			return nil
		}
	}
}
