package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"bty/internal/config"
	"bty/internal/deploy"
	"bty/internal/origin"
)

const showConfigHelp = `show-config

Prints the configuration as the daemons of this host read it: the files, the one that the Settings page
writes to, and each key with its value and where it comes from. Where containers are deployed in the mode
quadlet, the state folder is that of bty-web's volume. Secrets are not shown. A password that is
a credential is set for the service alone, and does not appear here.`

// shownKey is a key of the configuration for people.
type shownKey struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	From  string `json:"from"`
}

// shownConfig is what show-config prints.
type shownConfig struct {
	Files    []string   `json:"files"`
	Missing  []string   `json:"missing,omitempty"`
	Writes   string     `json:"writes_to"`
	Warnings []string   `json:"warnings,omitempty"`
	Keys     []shownKey `json:"keys"`
}

func showConfig(ctx context.Context, e env) error {
	d := &deployment{env: e}
	flags := d.flagSet("show-config", showConfigHelp)
	var paths config.Paths
	flags.Var(&paths, "config", "read this TOML `FILE` or folder alone; may be repeated")
	changed := flags.Bool("set", false, "only the keys that somebody has set")
	if err := (&appliance{env: e}).parse(flags, 0); err != nil {
		return err
	}
	if len(paths) == 0 {
		paths = deploy.ConfigFiles(ctx, d.defaultDir())
	}
	source := config.Source{Paths: paths, Getenv: e.getenv}
	cfg, warnings, err := config.Load(source)
	if err != nil {
		return fmt.Errorf("show-config: %w", err)
	}
	shown := shownConfig{Warnings: warnings, Writes: source.Writable(), Keys: []shownKey{}}
	if shown.Files, shown.Missing, err = source.Files(); err != nil {
		return fmt.Errorf("show-config: %w", err)
	}
	for _, k := range config.Keys() {
		if from := cfg.Origin(k.String()); !*changed || !from.IsDefault() {
			shown.Keys = append(shown.Keys, shownKey{k.String(), visible(k, cfg), from.String()})
		}
	}
	if d.asJSON {
		return d.printJSON(shown)
	}
	return d.printConfig(shown)
}

// visible is a key's value, unless it is a secret.
func visible(k config.Key, cfg *config.Config) string {
	value := origin.Redact(k.Value(cfg))
	switch {
	case !k.Secret:
		return value
	case cfg.Origin(k.String()).IsDefault():
		return "(not set)"
	}
	return "(set, not shown)"
}

func (d *deployment) printConfig(c shownConfig) error {
	for _, w := range c.Warnings {
		fmt.Fprintln(d.stderr, "warning:", w)
	}
	fmt.Fprintln(d.stdout, "files, the strongest last:")
	for _, f := range c.Files {
		fmt.Fprintln(d.stdout, "  "+f)
	}
	for _, f := range c.Missing {
		fmt.Fprintln(d.stdout, "  "+f+" (named, and not there)")
	}
	fmt.Fprintf(d.stdout, "this user's changes would go to: %s\n\n", dash(c.Writes))
	table := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KEY\tVALUE\tFROM")
	for _, k := range c.Keys {
		fmt.Fprintf(table, "%s\t%q\t%s\n", k.Key, k.Value, k.From)
	}
	return table.Flush()
}
