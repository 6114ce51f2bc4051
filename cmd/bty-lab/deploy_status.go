package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"bty/internal/deploy"
)

const statusHelp = `status [DIR]

Says what is deployed, what runs of it, and whether anything is other than it was left. The exit status
is 1 if it is.`

// status is what is printed.
type status struct {
	Record *deploy.Record         `json:"record"`
	Units  map[string]deploy.Unit `json:"units"`
	Runs   map[string]bool        `json:"containers,omitempty"` // of a compose project, by service
	Differ []deploy.Step          `json:"would_do"`             // by deploy
	Say    []string               `json:"warnings,omitempty"`
	URL    string                 `json:"url,omitempty"`
}

func stackStatus(ctx context.Context, e env) error {
	d := &deployment{env: e}
	if err := d.parse(d.flagSet("status", statusHelp), d.defaultDir()); err != nil {
		return err
	}
	seen, err := deploy.Observe(ctx, d.want)
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	if seen.Record == nil {
		return fmt.Errorf("status: nothing is deployed: %s has no deploy.json; bty-lab deploy makes it", d.want.Dir)
	}
	plan, refused := deploy.Deploy(seen, d.want)
	s := status{Record: seen.Record, Units: seen.Units, Runs: map[string]bool{}, Differ: plan.Steps, Say: plan.Warnings, URL: plan.Site.URL(seen.WebPort)}
	for _, name := range seen.Record.Composed() {
		s.Runs[name] = seen.Containers[name]
	}
	if d.asJSON {
		err = d.printJSON(s)
	} else {
		err = d.printStatus(s)
	}
	switch {
	case err != nil:
		return err
	case refused != nil:
		return fmt.Errorf("status: %w", refused)
	case len(plan.Steps) > 0:
		return fmt.Errorf("status: not everything is as it was deployed: bty-lab deploy would take %d steps", len(plan.Steps))
	}
	return nil
}

func (d *deployment) printStatus(s status) error {
	r := s.Record
	fmt.Fprintf(d.stdout, "%s: version %s, mode %s, at %s, %s since %s\n", d.want.Dir, r.Version, r.Mode, s.URL, r.State, r.At.Local().Format(time.DateTime))
	fmt.Fprintf(d.stdout, "password: %s\n\n", r.Password)
	table := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	for _, name := range r.Composed() {
		fmt.Fprintf(table, "%s\t%s\n", name, map[bool]string{true: "runs", false: "does not run"}[s.Runs[name]])
	}
	for _, name := range deploy.Units() {
		if u := s.Units[name]; u.Load == "loaded" && r.Mode != deploy.Compose {
			fmt.Fprintf(table, "%s\t%s\t%s\n", name, u.Active, u.Enabled)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, w := range s.Say {
		fmt.Fprintln(d.stderr, "warning:", w)
	}
	for _, step := range s.Differ {
		fmt.Fprintln(d.stdout, "bty-lab deploy would", step)
	}
	return nil
}
