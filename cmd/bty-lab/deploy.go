package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"bty/internal/build"
	"bty/internal/deploy"
)

// deployment is a call of one of the commands that bring the appliance up, look at it and take it away.
type deployment struct {
	env
	want         deploy.Wanted
	address      string
	mode         string
	without      string
	passwordFile string
	dryRun       bool
	asJSON       bool
}

// flagSet has the flags that all of these commands have.
func (d *deployment) flagSet(name, usage string) *flag.FlagSet {
	flags := flag.NewFlagSet("bty-lab "+name, flag.ContinueOnError)
	flags.SetOutput(d.stderr)
	flags.BoolVar(&d.asJSON, "json", false, "print the outcome as JSON; progress goes to standard error as always")
	flags.Usage = func() { fmt.Fprintf(flags.Output(), "Usage: bty-lab %s\n\n", usage); flags.PrintDefaults() }
	return flags
}

// siteFlags are those by which a site is chosen.
func (d *deployment) siteFlags(flags *flag.FlagSet) {
	flags.StringVar(&d.address, "host-addr", "", "the `ADDRESS` at which machines reach this host (default: that of the route to the outside)")
	flags.StringVar(&d.mode, "mode", "", "host, quadlet or compose: how the daemons run, a `MODE` (default: host where the package is installed, else quadlet as root with Podman 5, else compose; an ordinary user may ask for quadlet, too)")
	flags.StringVar(&d.want.Prefix, "image-prefix", "", "what is in front of the images' names: a registry that they are pulled from, or localhost (the default), a `PREFIX`")
	flags.StringVar(&d.want.Images, "images", "", "the `FOLDER` with the images that make image wrote (default: images beside bty-lab, else /usr/share/bty/images)")
	flags.StringVar(&d.without, "without", "", "services that are left out, a `LIST` with commas: bty-tftp, bty-cache; none takes all in again")
	flags.BoolVar(&d.want.Force, "force", false, "take an address that this host does not have, and overwrite files that somebody edited")
	flags.BoolVar(&d.dryRun, "dry-run", false, "print what would be done, and do nothing")
}

// parse reads the call, whose only operand is the folder.
func (d *deployment) parse(flags *flag.FlagSet, folder string) error {
	if err := flags.Parse(d.args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return usageError{err}
	}
	if flags.NArg() > 1 || flags.NArg() == 0 && folder == "" {
		return usageError{fmt.Errorf("%s takes one folder; see %s --help", flags.Name(), flags.Name())}
	}
	if flags.NArg() == 1 {
		folder = flags.Arg(0)
	}
	var err error
	if d.want.Dir, err = filepath.Abs(folder); err != nil {
		return err
	}
	return d.choose()
}

func (d *deployment) choose() (err error) {
	d.want.Version = build.Version
	if d.want.Mode, err = deploy.ParseMode(d.mode); err != nil {
		return usageError{err}
	}
	if d.address != "" {
		if d.want.Address, err = netip.ParseAddr(d.address); err != nil {
			return usageError{fmt.Errorf("--host-addr: %q is no IP address", d.address)}
		}
	}
	if d.without != "" {
		d.want.Without = []string{}
		for name := range strings.SplitSeq(d.without, ",") {
			if name = strings.TrimSpace(name); name != "" && name != "none" {
				d.want.Without = append(d.want.Without, name)
			}
		}
	}
	d.want.Password = d.passwordFile != ""
	return nil
}

// defaultDir is an ordinary user's own where that is who asks.
func (d *deployment) defaultDir() string {
	if home := d.getenv("HOME"); os.Geteuid() != 0 && home != "" {
		return filepath.Join(home, "bty")
	}
	return deploy.DefaultDir
}

const deployHelp = `deploy [DIR]

Brings the appliance up on this host, and answers when it is done. What it did is kept in
DIR/deploy.json (default: /opt/bty, as an ordinary user ~/bty). Done again it changes nothing; one that was cut off goes on.
Everything that stands in the way is said before anything is changed.`

func deployStack(ctx context.Context, e env) error {
	d := &deployment{env: e}
	flags := d.flagSet("deploy", deployHelp)
	d.siteFlags(flags)
	flags.StringVar(&d.passwordFile, "password-file", "", "the operator's password, or its hash, in a `FILE` (default: one is made up and shown once)")
	if err := d.parse(flags, d.defaultDir()); err != nil {
		return err
	}
	engine := d.engine()
	if d.want.Password {
		var err error
		if engine.Password, err = deploy.ReadPassword(d.passwordFile); err != nil {
			return fmt.Errorf("deploy: %w", err)
		}
	}
	seen, err := deploy.Observe(ctx, d.want)
	if err != nil {
		return fmt.Errorf("deploy: %w", err)
	}
	plan, err := deploy.Deploy(seen, d.want)
	if err != nil {
		return err
	}
	return d.carryOut(ctx, plan, engine, seen)
}

const initHelp = `init DIR

Writes what deploy would install into a folder, and starts nothing: in the modes host and quadlet below
DIR/files, in the mode compose the project itself. bty-lab deploy DIR goes by what was chosen here.`

func initStack(ctx context.Context, e env) error {
	d := &deployment{env: e}
	flags := d.flagSet("init", initHelp)
	d.siteFlags(flags)
	if err := d.parse(flags, ""); err != nil {
		return err
	}
	seen, err := deploy.Observe(ctx, d.want)
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	plan, err := deploy.Init(seen, d.want)
	if err != nil {
		return err
	}
	d.warn(plan)
	result := outcome{Plan: plan, DryRun: d.dryRun, Changed: !d.dryRun && len(plan.Steps) > 0}
	if d.dryRun {
		return d.printDryRun(result)
	}
	if err := plan.Run(ctx, d.engine(), d.tell); err != nil {
		return err
	}
	if d.asJSON {
		return d.printJSON(result)
	}
	_, err = fmt.Fprintln(d.stdout, deploy.InitSummary(plan))
	return err
}

func (d *deployment) tell(p deploy.Progress) { fmt.Fprintln(d.stderr, p) }

func (d *deployment) warn(p deploy.Plan) {
	for _, w := range p.Warnings {
		fmt.Fprintln(d.stderr, "warning:", w)
	}
}

// outcome is what is printed as JSON.
type outcome struct {
	deploy.Plan
	DryRun   bool   `json:"dry_run,omitempty"`
	Changed  bool   `json:"changed"`
	URL      string `json:"url,omitempty"`
	Password string `json:"password,omitempty"` // that was made up
}

// carryOut shows a plan, runs it unless that is not wanted, and says how it came out.
func (d *deployment) carryOut(ctx context.Context, plan deploy.Plan, engine *deploy.Engine, seen deploy.Observed) error {
	d.warn(plan)
	result := outcome{Plan: plan, DryRun: d.dryRun}
	if plan.Site.Address.IsValid() {
		result.URL = plan.Site.URL(seen.WebPort)
	}
	if d.dryRun {
		return d.printDryRun(result)
	}
	result.Changed = len(plan.Steps) > 0
	shown := false
	engine.Show = d.showPassword
	if d.asJSON {
		engine.Show = func(password string) error {
			shown, result.Password = true, password
			return d.printJSON(result)
		}
	}
	engine.Manager = plan.Site.Manager()
	if err := plan.Run(ctx, engine, d.tell); err != nil {
		return err
	}
	var err error
	switch {
	case !d.asJSON:
		err = d.printOutcome(ctx, result, seen)
	case !shown:
		err = d.printJSON(result)
	}
	if asleep := engine.Rest(ctx, plan, seen); asleep != nil { // it works, which is what was asked for
		fmt.Fprintln(d.stderr, "note: what was started to see it work goes on:", asleep)
	}
	return err
}

func (d *deployment) engine() *deploy.Engine {
	return &deploy.Engine{Remark: func(s string) { fmt.Fprintln(d.stderr, "note:", s) }}
}

// showPassword is the only time that it is shown: what is kept is its hash.
func (d *deployment) showPassword(password string) error {
	_, err := fmt.Fprintf(d.stdout, "\nPassword of the pages and the API, which is shown this once and cannot be read back:\n\n    %s\n\n", password)
	return err
}

func (d *deployment) printJSON(v any) error {
	out := json.NewEncoder(d.stdout)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

func (d *deployment) printDryRun(o outcome) error {
	if d.asJSON {
		return d.printJSON(o)
	}
	if len(o.Steps) == 0 {
		_, err := fmt.Fprintf(d.stdout, "%s would change nothing: everything is as it is wanted.\n", o.Doing)
		return err
	}
	fmt.Fprintf(d.stdout, "%s would do this, in the mode %s:\n", o.Doing, o.Site.Mode)
	for i, s := range o.Steps {
		fmt.Fprintf(d.stdout, "%3d. %s\n", i+1, s)
	}
	return nil
}

// printOutcome ends a deployment with what there is to do next.
func (d *deployment) printOutcome(ctx context.Context, o outcome, seen deploy.Observed) error {
	if !o.Changed {
		fmt.Fprintf(d.stdout, "Nothing was changed: version %s runs in the mode %s.\n\n", o.Site.Version, o.Site.Mode)
	}
	if _, err := fmt.Fprintln(d.stdout, deploy.Summary(o.Site, seen.WebPort, seen.Addresses)); err != nil {
		return err
	}
	if o.Site.Mode == deploy.Compose { // an ordinary user's is asked by a process of its own
		_, err := fmt.Fprintf(d.stdout, "What is wrong, if anything: bty-lab doctor, or %sui/netboot\n", o.URL)
		return err
	}
	return d.examine(ctx)
}

// examine ends with the doctor's look. That it finds something is no failure of the deployment.
func (d *deployment) examine(ctx context.Context) error {
	e := d.env
	e.args = nil
	fmt.Fprintln(d.stdout, "What bty-lab doctor finds:")
	if err := diagnose(ctx, e); err != nil {
		fmt.Fprintln(d.stderr, "note: bty-lab doctor:", err)
	}
	return nil
}
