package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bty/internal/client"
	"bty/internal/host"
	"bty/internal/previous"
	"bty/internal/takeover"
	"bty/internal/wire"
)

const importHelp = `import [--dry-run] [--json] [--replace|--keep] [--skip-refused] [--catalog FILE] PATH
       bty-lab import [--replace] DIR

Takes the state of the previous bty over (machines, images, settings) from its state folder, its
state.db or a state.db.*.bak, which are only read, also while it runs. Everything is checked first;
if a row is refused, or known here otherwise, nothing is written. From 0.66 on the images are those of
withcache's catalog.toml, which is looked for beside the state folder and where withcache runs here.

If DIR holds an inventory.json, a backup's or an export's, its machines are taken in: hardware only.`

// importing is how a state is to be taken over.
type importing struct {
	*appliance
	dryRun, asJSON, replace, keep, skip bool
	catalog                             string
}

func importState(ctx context.Context, e env) error {
	i := &importing{appliance: &appliance{env: e}}
	flags := i.flagSet("import", importHelp)
	flags.BoolVar(&i.dryRun, "dry-run", false, "say what would become of each row and write nothing")
	flags.BoolVar(&i.asJSON, "json", false, "print the report as JSON")
	flags.BoolVar(&i.replace, "replace", false, "what is known here otherwise becomes as it is there; of an inventory: reset the machines that are known")
	flags.BoolVar(&i.keep, "keep", false, "what is known here otherwise stays as it is here")
	flags.BoolVar(&i.skip, "skip-refused", false, "leave out what cannot be taken over, and take the rest")
	flags.StringVar(&i.catalog, "catalog", "", "catalog.toml of withcache, or its data folder, when it is not found or is to be taken besides")
	if err := i.read(flags, 1); err != nil {
		return err
	}
	path := flags.Arg(0)
	isBundle, err := isBundle(path)
	switch {
	case err != nil:
		return fmt.Errorf("import: %w", err)
	case i.replace && i.keep:
		return usageError{errors.New("--replace and --keep exclude each other")}
	case isBundle:
		return i.bundle(ctx, flags, path)
	}
	if err := i.takeOver(ctx, path); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return nil
}

// isBundle reports whether a path means an inventory, and not a state of the previous bty.
func isBundle(path string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, fmt.Errorf("%w; give the state folder of the previous bty, its state.db, or the folder of an export or a backup", err)
	}
	if !info.IsDir() {
		return !previous.IsDatabase(path) && !strings.HasPrefix(filepath.Base(path), previous.Name), nil
	}
	inventory, database := filepath.Join(path, "inventory.json"), filepath.Join(path, previous.Name)
	if exists(inventory) && exists(database) {
		return false, fmt.Errorf("%s holds both an inventory.json and a %s; name the one that you mean", path, previous.Name)
	}
	if !exists(inventory) && !exists(database) {
		return false, fmt.Errorf("%s holds neither a %s nor an inventory.json; give the folder that the previous bty has as its state folder (its container mounts it at /var/lib/bty), or that of an export or a backup", path, previous.Name)
	}
	return exists(inventory), nil
}

// bundle takes the machines of an inventory in.
func (i *importing) bundle(ctx context.Context, flags *flag.FlagSet, path string) error {
	if i.dryRun || i.asJSON || i.keep || i.skip || i.catalog != "" {
		return usageError{fmt.Errorf("%s is an inventory, which %s takes with --replace alone: a machine that is known keeps its settings", path, flags.Name())}
	}
	server := i.server()
	defer server.Close()
	report, err := client.Import(ctx, server, path, i.replace)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return client.PrintImport(i.stdout, report)
}

// takeOver takes the state of the previous bty over.
func (i *importing) takeOver(ctx context.Context, path string) error {
	database, err := previous.Find(path)
	if err != nil {
		return err
	}
	state, err := previous.Read(ctx, database)
	if err != nil {
		return err
	}
	if err := addCatalog(ctx, state, i.catalog); err != nil {
		return err
	}
	state.DryRun, state.SkipBad, state.Conflict = i.dryRun, i.skip, i.conflict()
	state.Mark = takeover.Mark(database)
	report, err := i.send(ctx, *state)
	if err != nil {
		return err
	}
	if err := i.tell(ctx, report); err != nil {
		return err
	}
	return verdict(report)
}

// addCatalog adds the images that are not in the database: those of the catalog.toml that was given, or,
// if the database has no catalog, those of withcache.
func addCatalog(ctx context.Context, state *wire.PreviousState, given string) error {
	if given != "" {
		return previous.AddCatalog(state, given)
	}
	if state.Catalog != "" {
		return nil
	}
	if found := cmp.Or(previous.Beside(state.Source), filepath.Join(host.PreviousCatalog(ctx, "/"), previous.CatalogName)); filepath.IsAbs(found) && exists(found) {
		return previous.AddCatalog(state, found)
	}
	state.Lost = append(state.Lost, wire.TakeoverRow{Kind: "table", ID: "catalog_entries", Outcome: wire.TakenNot,
		Reason: "from 0.66 on the catalog is withcache's, and none was found: copy the catalog.toml of its data folder (its container mounts it at /data), and give it with --catalog"})
	return nil
}

// send has the server take a state over, or does it while none runs.
func (i *importing) send(ctx context.Context, state wire.PreviousState) (report wire.Takeover, err error) {
	server := i.server()
	defer server.Close()
	err = server.Call(ctx, "POST", "/takeover", state, &report)
	if client.IsAbsent(err) {
		return i.intoFiles(ctx, state, err)
	}
	return report, err
}

func (i *importing) conflict() string {
	switch {
	case i.replace:
		return "replace"
	case i.keep:
		return "keep"
	}
	return "refuse"
}

func (i *importing) tell(ctx context.Context, report wire.Takeover) error {
	if !i.asJSON {
		return i.tellPeople(ctx, report)
	}
	out := json.NewEncoder(i.stdout)
	out.SetIndent("", "  ")
	return out.Encode(report)
}

// verdict is the error of a report: rows keep everything from being written.
func verdict(report wire.Takeover) error {
	refused, conflicts := report.Outcomes[wire.TakenRefused], report.Outcomes[wire.TakenConflict]
	var next []string
	if conflicts > 0 {
		next = append(next, fmt.Sprintf("%s known here otherwise: repeat with --replace for what is there, or --keep for what is here", count(conflicts, "row is", "rows are")))
	}
	if refused > 0 {
		next = append(next, fmt.Sprintf("%s refused: correct them in the previous bty, or repeat with --skip-refused to take the rest", count(refused, "row is", "rows are")))
	}
	if len(next) == 0 {
		return nil
	}
	return errors.New("nothing was written. " + strings.Join(next, "; "))
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
