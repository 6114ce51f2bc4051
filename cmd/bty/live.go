package main

import (
	"context"
	"fmt"

	"bty/internal/agent"
	"bty/internal/client"
	"bty/internal/disk"
	"bty/internal/liveenv"
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
	_, err = run.Run(ctx)
	return liveenv.Reboot, err
}
