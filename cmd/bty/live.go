package main

import (
	"context"
	"errors"
	"fmt"

	"bty/internal/agent"
	"bty/internal/client"
	"bty/internal/disk"
	"bty/internal/liveenv"
)

// live is the work of the live environment, which says itself when it is entered and left. What it returns as an error is shown on every
// console for a while; then the machine reboots and asks the server again.
func live(ctx context.Context, b liveenv.Boot) (liveenv.Next, error) {
	console := &agent.Console{Out: b.Console}
	server, err := client.ParseServer(b.Server)
	if err != nil {
		return liveenv.Reboot, fmt.Errorf("bty.server= on the kernel command line: %w", err)
	}
	h := host()
	disks := h.disks
	h.disks = func(ctx context.Context) ([]disk.Device, error) {
		b.Settle(ctx)
		return disks(ctx)
	}
	got, err := h.agent(server, b.MAC, console, true).Run(ctx)
	if err == nil && got.Result == agent.Interactive {
		err = errors.New("this machine waits for its image and disk; set them in the server's pages")
	}
	return liveenv.Reboot, err
}
