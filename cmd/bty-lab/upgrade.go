package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"bty/internal/build"
	"bty/internal/config"
	"bty/internal/deploy"
	"bty/internal/systemd/manager"
	"bty/internal/upgrade"
)

const upgradeHelp = `upgrade [DIR]

Brings the appliance on this host to another release, and back to the one before if that does not
become healthy. Sockets stay open: requests wait while services are exchanged. A run that was cut off
is taken up by the next. Snapshots are in DIR/snapshots (default: /opt/bty, as an ordinary user ~/bty), the newest three are kept.

Where the package is installed, name the new one with --package; without it what the package manager
has put in place is looked at and restarted where that is due. For containers name the folder of the
new images with --images, or the version with --to.`

// upgradeCall is one call of the command.
type upgradeCall struct {
	*appliance
	dir       string
	named     bool // the folder was
	mode      string
	file      string
	previous  string
	images    string
	to        string
	back      bool
	yes       bool
	downgrade bool
	dryRun    bool
	asJSON    bool
	limit     time.Duration
}

func upgradeStack(ctx context.Context, e env) error {
	c := &upgradeCall{appliance: &appliance{env: e}}
	flags := c.flagSet("upgrade", upgradeHelp)
	flags.StringVar(&c.mode, "mode", "", "host, quadlet or compose: how the daemons run, a `MODE` (default: as deployed, else host)")
	flags.StringVar(&c.file, "package", "", "the new release, a `FILE`: .deb or .rpm")
	flags.StringVar(&c.previous, "previous", "", "the package that is installed, a `FILE`, for the way back (default: as an upgrade kept it, or made of what dpkg has installed)")
	flags.StringVar(&c.images, "images", "", "the new release, a `FOLDER` with the images that make image wrote")
	flags.StringVar(&c.to, "to", "", "the `VERSION` of images that are loaded already, or that a registry has")
	flags.BoolVar(&c.back, "back", false, "go back to the release before the last upgrade")
	flags.BoolVar(&c.yes, "yes", false, "with --back, or when an upgrade that was cut off is taken up: go back also where that puts aside what was written since")
	flags.BoolVar(&c.downgrade, "downgrade", false, "an older release is meant")
	flags.BoolVar(&c.dryRun, "dry-run", false, "print what another release would bring, and do nothing")
	flags.BoolVar(&c.asJSON, "json", false, "print the outcome as JSON; progress goes to standard error as always")
	flags.DurationVar(&c.limit, "timeout", 5*time.Minute, "how long a release may take to become healthy, with the migration of its database")
	if err := c.parseUpgrade(flags); err != nil {
		return err
	}
	if inside, err := c.unshare(ctx); inside || err != nil {
		return err
	}
	u, err := c.upgrade(ctx)
	if err != nil {
		return err
	}
	defer u.Control.Close()
	return c.carryOut(ctx, u)
}

func (c *upgradeCall) parseUpgrade(flags *flag.FlagSet) error {
	if err := c.parseFlags(flags); err != nil {
		return err
	}
	if flags.NArg() > 1 {
		return usageError{fmt.Errorf("upgrade takes one folder, and %d were given; see bty-lab upgrade --help", flags.NArg())}
	}
	if c.back && (c.file != "" || c.images != "" || c.to != "" || c.dryRun) {
		return usageError{errors.New("--back undoes the last upgrade: no release is named with it, and there is no --dry-run of it")}
	}
	if c.file != "" && (c.images != "" || c.to != "") {
		return usageError{errors.New("--package is for packages, --images and --to are for containers: name one of them")}
	}
	if c.limit < time.Second {
		return usageError{errors.New("--timeout: a release needs at least 1s")}
	}
	c.dir = (&deployment{env: c.env}).defaultDir()
	if c.named = flags.NArg() == 1; c.named {
		c.dir = flags.Arg(0)
	}
	var err error
	if c.dir, err = filepath.Abs(c.dir); err != nil {
		return err
	}
	return c.load(config.Source{Getenv: c.getenv, Partial: true})
}

// unshare does the work of an ordinary user's project where its files can be read: as that user's root.
func (c *upgradeCall) unshare(ctx context.Context) (inside bool, err error) {
	mode, err := c.findMode()
	if err != nil || mode != deploy.Compose || os.Geteuid() == 0 {
		return false, err
	}
	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	args := append([]string{"unshare", self, "upgrade"}, c.args...)
	if !c.named { // the default of root is another
		args = append(args, c.dir)
	}
	cmd := exec.CommandContext(ctx, "podman", args...)
	cmd.Stdout, cmd.Stderr = c.stdout, c.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Run(); err != nil {
		return true, fmt.Errorf("as root of this user's containers: %w", err)
	}
	return true, nil
}

// upgrade ties the parts together.
func (c *upgradeCall) upgrade(ctx context.Context) (*upgrade.Upgrade, error) {
	mode, err := c.findMode()
	if err != nil {
		return nil, err
	}
	site, err := c.site(mode)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if mode == deploy.Compose && c.env.socket == "" && !c.namesSocket() {
		c.socket = cmp.Or(deploy.ComposedSocket(ctx, true), c.socket)
	}
	u := &upgrade.Upgrade{Dir: c.dir, Mode: mode, Site: site, Manager: site.Manager(), Control: c.server(), Self: self, By: build.Version, Now: time.Now, Limit: c.limit, Guarded: true,
		Downgrade: c.downgrade, Yes: c.yes, Tell: func(s string) { fmt.Fprintln(c.stderr, s) }}
	switch mode {
	case deploy.Host:
		u.Place = &upgrade.Packages{Dir: c.dir, File: c.file, Previous: c.previous, Config: c.config, Manager: manager.Manager{}, Tell: u.Tell}
	case deploy.Quadlet:
		u.Place = &upgrade.Containers{Dir: c.dir, Images: c.images, Version: c.to, Site: site, Manager: site.Manager(), Tell: u.Tell}
	case deploy.Compose:
		u.Guarded = false // there is no systemd to run it
		u.Place = &upgrade.Project{Dir: c.dir, Program: composeProgram(), Images: c.images, Version: c.to, Tell: u.Tell}
	}
	return u, nil
}

// site is what is known of the deployment, which has to be of who asks. What was installed by hand is root's.
func (c *upgradeCall) site(mode deploy.Mode) (site deploy.Site, err error) {
	record, err := deploy.ReadRecord(c.dir)
	if err != nil {
		return site, err
	}
	if record != nil {
		site = record.Site
	}
	if site.Mode = mode; mode != deploy.Quadlet {
		site.User = nil
	}
	if os.Geteuid() != 0 && site.User == nil {
		return site, &deploy.Refused{Doing: "upgrade", Problems: []deploy.Problem{{ID: "root", What: "this user may not exchange programs and restart services.", Next: "Run it as root."}}}
	}
	return site, site.Check("upgrade")
}

// composeProgram is what runs compose files here.
func composeProgram() string {
	if _, err := exec.LookPath("podman-compose"); err == nil {
		return "podman-compose"
	}
	return "docker-compose"
}

// findMode goes by what was asked for, else by the deployment's record.
func (c *upgradeCall) findMode() (deploy.Mode, error) {
	mode, err := deploy.ParseMode(c.mode)
	if err != nil {
		return "", usageError{err}
	}
	record, err := deploy.ReadRecord(c.dir)
	switch {
	case err != nil:
		return "", err
	case mode != "":
		return mode, nil
	case record != nil:
		return record.Mode, nil
	}
	return deploy.Host, nil
}

func (c *upgradeCall) carryOut(ctx context.Context, u *upgrade.Upgrade) error {
	switch {
	case c.dryRun:
		out, err := u.DryRun(ctx)
		if err != nil {
			return err
		}
		return c.print(out, func() { c.printPlan(out) })
	case c.back:
		out, err := u.Back(ctx)
		if err != nil {
			return err
		}
		return c.print(out, func() { c.printBack(out) })
	}
	began := time.Now()
	out, err := u.Run(ctx)
	if _, back := errors.AsType[*upgrade.WentBack](err); back && c.asJSON {
		return errors.Join(err, c.print(out, func() {}))
	}
	if err != nil {
		return err
	}
	if out.Phase == upgrade.Returned {
		return c.print(out, func() { c.printBack(out) })
	}
	return c.print(out, func() { c.printDone(out, time.Since(began)) })
}

func (c *upgradeCall) printBack(out upgrade.Outcome) {
	fmt.Fprintf(c.stdout, "%s runs again: %s.\n", out.From, out.Database)
}

func (c *upgradeCall) print(out upgrade.Outcome, text func()) error {
	if !c.asJSON {
		text()
		return nil
	}
	enc := json.NewEncoder(c.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

func (c *upgradeCall) printDone(out upgrade.Outcome, took time.Duration) {
	for _, n := range out.Notes {
		fmt.Fprintln(c.stdout, n)
	}
	if !out.Changed {
		fmt.Fprintf(c.stdout, "Nothing was changed: %s runs and is healthy.\n", out.To)
		return
	}
	c.printEdited(out)
	rows := "no row was lost"
	if !out.Proven {
		rows = "rows were not compared"
	}
	fmt.Fprintf(c.stdout, "Upgraded from %s to %s in %.0f s; %s. To undo it: bty-lab upgrade --back %s\n", out.From, out.To, took.Seconds(), rows, c.dir)
}

func (c *upgradeCall) printEdited(out upgrade.Outcome) {
	for _, e := range out.Look.Edited {
		fmt.Fprintf(c.stdout, "changed by this site: %s %s\n", e.Path, e.Fate)
	}
}

// mostChanges is how many files a dry run names.
const mostChanges = 40

func (c *upgradeCall) printPlan(out upgrade.Outcome) {
	for _, n := range out.Notes {
		fmt.Fprintln(c.stdout, n)
	}
	if !out.Changed && len(out.Planned) == 0 {
		fmt.Fprintf(c.stdout, "An upgrade would change nothing: %s is in place.\n", out.From)
		return
	}
	fmt.Fprintf(c.stdout, "Upgrade from %s to %s, in the mode %s:\n", out.From, out.To, out.Mode)
	for i, step := range out.Planned {
		fmt.Fprintf(c.stdout, "%3d. %s\n", i+1, step)
	}
	for i, change := range out.Look.Changes {
		if i == mostChanges {
			fmt.Fprintf(c.stdout, "and %d more\n", len(out.Look.Changes)-mostChanges)
			break
		}
		fmt.Fprintf(c.stdout, "%-8s %s\n", change.What, change.Name)
	}
	c.printEdited(out)
}

// upgradeGuard is what systemd runs before each start of bty-web while an upgrade is under way.
func upgradeGuard(ctx context.Context, e env) error {
	if len(e.args) != 1 || strings.HasPrefix(e.args[0], "-") {
		return usageError{errors.New("upgrade-guard takes the folder of an upgrade; systemd runs it, nobody else has to")}
	}
	guard, err := upgrade.ReadGuard(e.args[0])
	if err != nil {
		return fmt.Errorf("the upgrade that is under way: %w. bty-lab upgrade takes it up, bty-lab upgrade --back undoes it", err)
	}
	done, err := guard.Stand(ctx, e.args[0])
	if done != "" {
		fmt.Fprintln(e.stdout, done)
	}
	return err
}
