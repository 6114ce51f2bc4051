package main

import (
	"context"
	"strings"

	"bty/internal/agent"
	"bty/internal/build"
	"bty/internal/client"
	"bty/internal/flash"
	"bty/internal/machine"
)

// serverDriven is one run as the server says.
func serverDriven(ctx context.Context, e env, serverText, macText string, reboot choice) error {
	server, err := client.ParseServer(serverText)
	if err != nil {
		return failf(codeUsage, "--server: %w", err)
	}
	mac, err := machine.ParseTypedMAC(macText)
	if err != nil {
		return failf(codeUsage, "--mac: %w; write it like 52:54:00:12:34:56", err)
	}
	reboots := reboot.yes || (!reboot.given && bootedFor(e.cmdline, mac))
	console := &agent.Console{Out: e.stderr, Terminal: e.terminal}
	console.Line("entered v%s", build.Version)
	defer console.Line("exiting v%s", build.Version)

	run, err := e.agent(server, mac, console, reboots)
	if err != nil {
		return err
	}
	got, err := run.Run(ctx)
	switch {
	case err != nil:
		return err
	case got.Result == agent.Interactive:
		return failf(codePerson, "the server wants a person to choose; nothing was written")
	case got.Result == agent.Exit || !reboots:
		return nil
	}
	if err := e.reboot(ctx); err != nil {
		// The work is done and reported: that the machine stays up must not look like a failure.
		console.Line("the machine does not reboot: %v; reboot it by hand", err)
	}
	return nil
}

// bootedFor reports whether the running system was booted to work on this machine: a live
// environment has it on its kernel command line. Anybody else is not rebooted by surprise.
func bootedFor(cmdline string, mac machine.MAC) bool {
	for word := range strings.FieldsSeq(cmdline) {
		if value, ok := strings.CutPrefix(word, "bty.mac="); ok {
			named, err := machine.ParseTypedMAC(value)
			return err == nil && named == mac
		}
	}
	return false
}

// agent is the server-driven run on this machine.
func (e env) agent(server client.Server, mac machine.MAC, console *agent.Console, reboots bool) (*agent.Agent, error) {
	origins, err := e.origins()
	if err != nil {
		return nil, err
	}
	return &agent.Agent{
		Client: client.New(server, mac, build.Version),
		Disks:  e.disks,
		Flash: func(ctx context.Context, req flash.Request, report func(flash.Progress)) (flash.Result, error) {
			req.Origin = origins
			return e.flash(ctx, req, report)
		},
		Hardware: e.hardware,
		Console:  console,
		Limits:   e.limits,
		Reboots:  reboots,
	}, nil
}

// complaint is an error as the last line on the terminal.
func complaint(err error) string {
	if err == context.Canceled {
		return "cancelled; nothing was written"
	}
	return agent.Printable(err.Error())
}
