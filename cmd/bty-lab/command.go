package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"

	"bty/internal/build"
)

// command is a node of the tree of subcommands: a group of them, or one that runs.
type command struct {
	name    string
	summary string
	sub     []command
	run     func(ctx context.Context, e env) error
	asks    bool // the server, over its control socket
}

// usageError is a call that cannot be understood: exit code 2.
type usageError struct{ error }

func tree() command {
	return command{
		name: "bty-lab", summary: "build, deploy and look after a bty appliance",
		sub: []command{
			{name: "deploy", summary: "bring the appliance up on this host", run: deployStack},
			{name: "upgrade", summary: "bring the appliance to another release, and back if that does not work", run: upgradeStack},
			{name: "init", summary: "write what deploy would install into a folder, and start nothing", run: initStack},
			{name: "status", summary: "say what is deployed here, and whether it is as it was left", run: stackStatus},
			{name: "purge", summary: "take a deployment away, with its state", run: purgeStack},
			{name: "show-config", summary: "print each setting in force, and where it comes from", run: showConfig},
			{name: "liveenv", summary: "the live environment that machines boot from the network", sub: []command{
				{name: "build", summary: "make its kernel and initramfs from any kernel package", run: liveenvBuild, asks: true},
			}},
			{name: "usb", summary: "USB sticks that machines boot from", sub: []command{
				{name: "build", summary: "make the image of a stick: with the live environment, or one that leads to an appliance", run: usbBuild},
			}},
			{name: "backup", summary: "make a backup of the running appliance", run: backupNow, asks: true},
			{name: "backups", summary: "list the backups", run: listBackups, asks: true},
			{name: "restore", summary: "put a backup in the place of the present state", run: restore, asks: true},
			{name: "export", summary: "write the hardware of all machines to a folder", run: exportBundle, asks: true},
			{name: "import", summary: "take the state of the previous bty over, or the machines of such a folder in", run: importState, asks: true},
			{name: "doctor", summary: "say what is wrong with netboot and with this host, and what to do", run: diagnose, asks: true},
			{name: "support-bundle", summary: "put what is known of the appliance in a file, for somebody who is to help", run: supportBundle, asks: true},
			{name: "reload", summary: "have the running appliance read its configuration again", run: reload, asks: true},
			{name: "upgrade-guard", run: upgradeGuard}, // for systemd
			{name: "version", summary: "print the version", run: version},
		},
	}
}

func run(ctx context.Context, e env) error { return tree().dispatch(ctx, "", e) }

// dispatch walks down the tree by the words of the call.
func (c command) dispatch(ctx context.Context, parents string, e env) error {
	path := parents + c.name
	if c.run != nil {
		if c.asks {
			if err := e.findProject(ctx, strings.Fields(path)[1:]); err != nil {
				return err
			}
		}
		return c.run(ctx, e)
	}
	if len(e.args) == 0 {
		c.help(e.stderr, path)
		return usageError{fmt.Errorf("%s: name a command", path)}
	}
	word := e.args[0]
	switch word {
	case "help", "--help", "-help", "-h":
		c.help(e.stdout, path)
		return flag.ErrHelp
	case "--version":
		word = "version"
	}
	for _, s := range c.sub {
		if s.name == word {
			e.args = e.args[1:]
			return s.dispatch(ctx, path+" ", e)
		}
	}
	return usageError{fmt.Errorf("%s: no command %q; see %s --help", path, word, path)}
}

func (c command) help(w io.Writer, path string) {
	fmt.Fprintf(w, "%s: %s\n\nUsage: %s COMMAND\n\n", path, c.summary, path)
	for _, s := range c.sub {
		if s.summary == "" {
			continue
		}
		fmt.Fprintf(w, "  %-14s %s\n", s.name, s.summary)
	}
	fmt.Fprintf(w, "\n%s COMMAND --help describes a command.\n", path)
}

func version(_ context.Context, e env) error {
	fmt.Fprintln(e.stdout, "bty-lab", build.Version)
	return nil
}
