package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"bty/internal/deploy"
)

const purgeHelp = `purge [DIR]

Takes a deployment away: its units, containers, settings, password and state, backups included. What
the package brought stays; the package manager takes that away. It asks first.`

func purgeStack(ctx context.Context, e env) error {
	d := &deployment{env: e}
	flags := d.flagSet("purge", purgeHelp)
	flags.BoolVar(&d.dryRun, "dry-run", false, "print what would be done, and do nothing")
	yes := flags.Bool("yes", false, "do not ask")
	keep := flags.Bool("keep-data", false, "leave the state, the backups and the images")
	if err := d.parse(flags, d.defaultDir()); err != nil {
		return err
	}
	seen, err := deploy.Observe(ctx, d.want)
	if err != nil {
		return fmt.Errorf("purge: %w", err)
	}
	plan, err := deploy.Purge(seen, d.want.Dir, !*keep)
	if err != nil {
		return err
	}
	if len(plan.Steps) == 0 && !d.asJSON {
		_, err := fmt.Fprintf(d.stdout, "There is nothing to purge: %s has no deployment.\n", d.want.Dir)
		return err
	}
	d.warn(plan)
	if !d.dryRun && !*yes {
		if err := d.confirm(plan); err != nil {
			return err
		}
	}
	if err := d.carryOutPurge(ctx, plan); err != nil || d.dryRun || d.asJSON {
		return err
	}
	_, err = fmt.Fprintln(d.stdout, purged(plan))
	return err
}

func (d *deployment) carryOutPurge(ctx context.Context, plan deploy.Plan) error {
	result := outcome{Plan: plan, DryRun: d.dryRun, Changed: !d.dryRun && len(plan.Steps) > 0}
	if d.dryRun {
		return d.printDryRun(result)
	}
	engine := d.engine()
	engine.Manager = plan.Site.Manager()
	if err := plan.Run(ctx, engine, d.tell); err != nil {
		return err
	}
	if d.asJSON {
		return d.printJSON(result)
	}
	return nil
}

// confirm shows what would be done and has it agreed to at a terminal.
func (d *deployment) confirm(plan deploy.Plan) error {
	info, err := os.Stdin.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return errors.New("purge: nobody can be asked here, and nothing was changed; --yes agrees to it, --dry-run shows what it does")
	}
	if err := d.printDryRun(outcome{Plan: plan}); err != nil {
		return err
	}
	fmt.Fprint(d.stdout, "\nType yes to do it: ")
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n') // no answer is no
	if strings.TrimSpace(answer) != "yes" {
		return errors.New("purge: nothing was changed")
	}
	return nil
}

func purged(p deploy.Plan) string {
	if p.Site.Mode == deploy.Host {
		return "It is gone. The package is still installed: apt purge bty, or dnf remove bty. The host's own key for credentials, /var/lib/systemd/credential.secret, stays: others may use it."
	}
	if p.Site.User != nil {
		return "It is gone."
	}
	return "It is gone. System users and groups stay, as is usual: files elsewhere may be theirs."
}
