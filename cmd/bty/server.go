package main

import (
	"cmp"
	"context"
	"strings"

	"bty/internal/agent"
	"bty/internal/build"
	"bty/internal/client"
	"bty/internal/flash"
	"bty/internal/machine"
	"bty/internal/tui"
	"bty/internal/wire"
)

// wish is what a call without a command asks for.
type wish struct {
	server, mac, catalog string
	reboot               choice
}

// defaultServer is the name that a LAN gives its appliance.
const defaultServer = "bty-server"

// fulfil: with --mac the server is asked what to do, with --server alone too, after the MAC was
// found; else a person chooses.
func (e env) fulfil(ctx context.Context, w wish) error {
	text := w.server
	if text == "" && w.mac != "" {
		text = defaultServer
	}
	var server client.Server
	if text != "" {
		var err error
		if server, err = client.ParseServer(text); err != nil {
			return failf(codeUsage, "--server: %w", err)
		}
	}
	var mac machine.MAC
	if w.mac != "" {
		var err error
		if mac, err = machine.ParseTypedMAC(w.mac); err != nil {
			return failf(codeUsage, "--mac: %w; write it like 52:54:00:12:34:56", err)
		}
	}
	if server == "" {
		server, mac = e.bootedFrom()
		return e.byHand(ctx, server, mac, w.catalog)
	}
	return e.serverDriven(ctx, server, mac, w)
}

// bootedFrom is the server that this system was booted from, and the machine that it is to it; what
// is not named is zero.
func (e env) bootedFrom() (server client.Server, mac machine.MAC) {
	server, err := client.ParseServer(e.setting("server"))
	if err != nil {
		return "", mac
	}
	mac, err = machine.ParseTypedMAC(e.setting("mac"))
	if err != nil {
		return server, machine.MAC{}
	}
	return server, mac
}

// serverDriven is one run as the server says.
func (e env) serverDriven(ctx context.Context, server client.Server, mac machine.MAC, w wish) error {
	out := &held{to: e.stderr}
	console := &agent.Console{Out: out, Terminal: e.terminal}
	console.Line("entered v%s", build.Version)
	defer console.Line("exiting v%s", build.Version)
	if w.mac == "" {
		var err error
		if mac, err = e.findMAC(ctx, server, console); err != nil {
			return err
		}
	}
	reboots := w.reboot.yes || (!w.reboot.given && bootedFor(e.cmdline, mac))

	left := tui.Left{}
	run, err := e.agent(server, mac, console, reboots)
	if err != nil {
		return err
	}
	if e.terminal {
		run.Wizard = func(ctx context.Context, plan wire.Plan) (err error) {
			defer out.hold()()
			left, err = e.planned(ctx, e.tty(), run, plan, w.catalog)
			return err
		}
	}
	got, err := run.Run(ctx)
	switch {
	case left.Last != nil, got.Result == agent.Interactive && run.Wizard != nil:
		return e.leave(ctx, left, err)
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

// planned is the wizard for a plan that wants a person.
func (e env) planned(ctx context.Context, t tui.Terminal, run *agent.Agent, plan wire.Plan, catalogAt string) (tui.Left, error) {
	w := e.wizard(run, t, run.Client.Server(), run.Client.MAC())
	w.setup.Verify, w.setup.VerifySet = plan.Verify, plan.VerifySet
	w.setup.Grow, w.setup.GrowSet = plan.Grow, plan.GrowSet
	w.setup.Note = cmp.Or(w.setup.Note, plan.Reason)
	w.setup.Next = "Started from the network again, this machine comes back here until its page says otherwise."
	w.setup.Start = &tui.Source{At: cmp.Or(catalogAt, plan.Catalog, run.Client.Server().Catalog())}
	return tui.Run(ctx, w.terminal, w.setup, w.doing())
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
			waiting := req.Origin.Waiting
			req.Origin = origins
			req.Origin.Waiting = waiting
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
