package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"bty/internal/build"
)

// command is one word of the command line.
type command struct {
	name, args, does string
	run              func(ctx context.Context, e env, args []string) error
}

func commands() []command {
	return []command{
		{"disks", "[--json]", "list the disks of this machine", listDisks},
		{"flash", "--image URL|PATH|- --disk SERIAL|PATH [--yes]", "write an image to a disk", flashDisk},
		{"inventory", "[--json]", "describe this machine as it reports itself to a server", inventory},
	}
}

// run does what the arguments say. An error has an exit status: codeOf.
func run(ctx context.Context, e env) error {
	if len(e.args) > 0 && !strings.HasPrefix(e.args[0], "-") {
		return runCommand(ctx, e, e.args[0], e.args[1:])
	}
	f := newFlags("bty")
	var w wish
	f.StringVar(&w.server, "server", "", "")
	f.StringVar(&w.mac, "mac", "", "")
	f.StringVar(&w.catalog, "catalog", "", "")
	version := f.Bool("version", false, "")
	f.Var(&w.reboot, "reboot", "")
	switch err := f.parse(e.args); {
	case errors.Is(err, flag.ErrHelp):
		printHelp(e.stdout)
		return nil
	case err != nil:
		return err
	case *version:
		fmt.Fprintf(e.stdout, "bty %s\n", build.Version)
		return nil
	}
	return e.fulfil(ctx, w)
}

func runCommand(ctx context.Context, e env, name string, args []string) error {
	if name == "help" {
		printHelp(e.stdout)
		return nil
	}
	for _, c := range commands() {
		if c.name == name {
			err := c.run(ctx, e, args)
			if errors.Is(err, flag.ErrHelp) {
				printHelp(e.stdout)
				return nil
			}
			return err
		}
	}
	return failf(codeUsage, "there is no command %q; see bty --help", name)
}

// flags is a flag set whose mistakes are errors of ours and which takes no further words.
type flags struct{ *flag.FlagSet }

func newFlags(name string) flags {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return flags{f}
}

func (f flags) parse(args []string) error {
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return flag.ErrHelp
		}
		return failf(codeUsage, "%v; see bty --help", err)
	}
	if f.NArg() > 0 {
		return failf(codeUsage, "%q is one word too many; see bty --help", f.Arg(0))
	}
	return nil
}

// choice is a boolean flag that knows whether it was given.
type choice struct{ given, yes bool }

func (c *choice) String() string   { return "" }
func (c *choice) IsBoolFlag() bool { return true }

// Set takes what flag gives a boolean: "true" when it stands alone.
func (c *choice) Set(s string) error {
	switch s {
	case "true", "yes":
		*c = choice{given: true, yes: true}
	case "false", "no":
		*c = choice{given: true}
	default:
		return fmt.Errorf("want true or false")
	}
	return nil
}
