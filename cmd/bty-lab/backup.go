package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"path/filepath"
	"text/tabwriter"
	"time"

	"bty/internal/backup"
	"bty/internal/build"
	"bty/internal/client"
	"bty/internal/config"
	"bty/internal/deploy"
	"bty/internal/wire"
)

// appliance is where the commands find the server, and its files while it does not run.
type appliance struct {
	env
	config *config.Config
	socket string
}

// flagSet returns the flags that all commands about backups have.
func (a *appliance) flagSet(name, usage string) *flag.FlagSet {
	flags := flag.NewFlagSet("bty-lab "+name, flag.ContinueOnError)
	flags.SetOutput(a.stderr)
	flags.StringVar(&a.socket, "socket", "", "the control socket of bty-web, a `FILE` (default: as [paths] run_dir says)")
	flags.Usage = func() { fmt.Fprintf(flags.Output(), "Usage: bty-lab %s\n\n", usage); flags.PrintDefaults() }
	return flags
}

// read parses the flags and loads the configuration.
func (a *appliance) read(flags *flag.FlagSet, operands int) error {
	if err := a.parse(flags, operands); err != nil {
		return err
	}
	return a.load(config.Source{Getenv: a.getenv, Partial: true})
}

func (a *appliance) parse(flags *flag.FlagSet, operands int) error {
	if err := a.parseFlags(flags); err != nil {
		return err
	}
	if flags.NArg() != operands {
		return usageError{fmt.Errorf("%s takes %d arguments, and %d were given; see %s --help", flags.Name(), operands, flags.NArg(), flags.Name())}
	}
	return nil
}

func (a *appliance) parseFlags(flags *flag.FlagSet) error {
	if err := flags.Parse(a.args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return usageError{err}
	}
	return nil
}

func (a *appliance) load(source config.Source) error {
	cfg, _, err := config.Load(source)
	if err != nil {
		return err
	}
	a.config = cfg
	a.ownSockets()
	if a.socket == "" {
		a.socket = cmp.Or(a.env.socket, cfg.ControlSocket())
	}
	if a.isComposed() {
		a.config.Paths.CacheSocket = filepath.Join(filepath.Dir(a.socket), "../../bty-run/_data/cache.sock")
	}
	return nil
}

// ownSockets goes by an ordinary user's own appliance, where that is who asks and nobody has named another.
func (a *appliance) ownSockets() {
	if own := deploy.OwnRun(); own != "" && a.config.Paths.RunDir == config.DefaultRunDir {
		a.config.Paths.RunDir = own
	}
}

func (a *appliance) server() *client.Control {
	return client.NewControl(a.socket, "bty-lab/"+build.Version)
}

// isHere refuses work on files where the state is in a volume of containers: it would go where no server
// looks, and be said to be done.
func (a *appliance) isHere() error {
	record, err := deploy.ReadRecord((&deployment{env: a.env}).defaultDir())
	if err != nil {
		return err
	}
	return inVolume(a.config.Paths.StateDir, record)
}

func inVolume(state string, record *deploy.Record) error {
	if state != config.DefaultStateDir || record == nil || record.Mode == deploy.Host || record.State == deploy.Initialised {
		return nil // or somebody has named it
	}
	return fmt.Errorf("bty-web does not run, and its state is in the volume bty-data of its containers, not in %s; start it (bty-lab deploy), or name the volume while it is stopped: BTY_PATHS_STATE_DIR=$(podman volume inspect bty-data --format '{{.Mountpoint}}') bty-lab ...", state)
}

// files is the same appliance without its server.
func (a *appliance) files() backup.Offline {
	return backup.Offline{Dir: a.config.Paths.BackupDir, Database: a.config.Database(), Version: build.Version, Now: time.Now}
}

func backupNow(ctx context.Context, e env) error {
	a := &appliance{env: e}
	flags := a.flagSet("backup", "backup [--if-due]\n\nMakes a backup and waits for it.")
	ifDue := flags.Bool("if-due", false, "make the schedule's backup, and only if it is due; for timers")
	if err := a.read(flags, 0); err != nil {
		return err
	}
	server := a.server()
	defer server.Close()
	state, err := begin(ctx, server, *ifDue, a)
	if err != nil || state == nil {
		return err
	}
	return a.follow(ctx, server, *state)
}

// begin asks for the backup; none is due if it returns nil.
func begin(ctx context.Context, server *client.Control, ifDue bool, a *appliance) (*wire.BackupState, error) {
	if !ifDue {
		var state wire.BackupState
		err := server.Call(ctx, http.MethodPost, "/workers/backups", map[string]string{}, &state)
		return &state, err
	}
	var begun wire.BackupBegun
	if err := server.Call(ctx, http.MethodPost, "/api/v1/backups/if-due", nil, &begun); err != nil || begun.Backup != nil {
		return begun.Backup, err
	}
	next := time.Time(begun.Schedule.NextAt).Local().Format(time.DateTime)
	switch {
	case !begun.Schedule.On:
		_, err := fmt.Fprintln(a.stdout, "the schedule of backups is off; switch it on in the settings")
		return nil, err
	case begun.Schedule.Failures > 0:
		return nil, fmt.Errorf("the schedule of backups has failed %d times in a row (%s); the next try is at %s", begun.Schedule.Failures, begun.Schedule.Reason, next)
	}
	_, err := fmt.Fprintln(a.stdout, "no backup is due before", next)
	return nil, err
}

const followEvery = 200 * time.Millisecond

// follow shows how far a backup is until it has ended.
func (a *appliance) follow(ctx context.Context, server *client.Control, state wire.BackupState) error {
	id, said := state.ID, ""
	for {
		var jobs wire.BackupJobs
		if err := server.Call(ctx, http.MethodGet, "/workers/backups", nil, &jobs); err != nil {
			return err
		}
		found := false
		for _, s := range jobs.Backups {
			if s.ID == id {
				state, found = s, true
			}
		}
		switch {
		case !found:
			return fmt.Errorf("backup %s is not known any more: bty-web was restarted; bty-lab backups shows whether it was made", id)
		case state.Status == "completed":
			_, err := fmt.Fprintf(a.stdout, "backup %s made: %d machines, %s, in %s\n", id, state.Machines, mebibytes(state.BytesDone), *state.DestPath)
			return err
		case state.Status == "cancelled":
			return fmt.Errorf("backup %s was cancelled", id)
		case state.Error != nil:
			return fmt.Errorf("backup %s failed: %s", id, *state.Error)
		}
		if now := progress(state); now != said {
			fmt.Fprintln(a.stderr, now)
			said = now
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(followEvery):
		}
	}
}

func progress(s wire.BackupState) string {
	if s.BytesTotal == 0 || s.Stage != "copying" {
		return fmt.Sprintf("backup %s: %s %s", s.ID, s.Status, s.Stage)
	}
	return fmt.Sprintf("backup %s: copying %d %%", s.ID, min(s.BytesDone*100/s.BytesTotal, 100)/10*10)
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func listBackups(ctx context.Context, e env) error {
	a := &appliance{env: e}
	if err := a.read(a.flagSet("backups", "backups\n\nLists the backups, newest first, also while bty-web does not run."), 0); err != nil {
		return err
	}
	return a.printBackups(ctx, client.IsAbsent)
}

// printBackups asks bty-web, and looks at the files after an error that without takes.
func (a *appliance) printBackups(ctx context.Context, without func(error) bool) error {
	server := a.server()
	defer server.Close()
	var list wire.Backups
	err := server.Call(ctx, http.MethodGet, "/api/v1/backups", nil, &list)
	if err != nil && without(err) {
		return a.listFiles(err)
	}
	if err != nil {
		return err
	}
	return a.print(list)
}

// listFiles reads the folder of the backups while no server runs.
func (a *appliance) listFiles(absent error) error {
	found, err := a.files().List()
	if err != nil {
		return errors.Join(absent, err)
	}
	fmt.Fprintln(a.stderr, "bty-web does not run; these are in", a.config.Paths.BackupDir)
	list := wire.Backups{}
	for _, s := range found {
		list.Backups = append(list.Backups, s.Shape())
	}
	return a.print(list)
}

func (a *appliance) print(list wire.Backups) error {
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tMACHINES\tWILL FLASH\tSIZE\tMADE BY\tTRIGGER\tREMARK")
	for _, b := range list.Backups {
		machines := "?"
		if b.Machines != nil {
			machines = fmt.Sprint(*b.Machines)
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", b.ID, machines, b.WillFlash, mebibytes(b.Size), b.MadeBy, b.Trigger, b.Problem)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if s := list.Schedule; s.On {
		fmt.Fprintf(a.stdout, "\nschedule: %s, %d kept, next at %s\n", s.Cadence, s.Retention, time.Time(s.NextAt).Local().Format(time.DateTime))
		if s.Failures > 0 {
			fmt.Fprintf(a.stdout, "it has failed %d times in a row: %s\n", s.Failures, s.Reason)
		}
	}
	return nil
}

func exportBundle(ctx context.Context, e env) error {
	a := &appliance{env: e}
	flags := a.flagSet("export", "export DIR\n\nWrites the hardware of all machines to DIR/inventory.json, for any release of bty.")
	if err := a.read(flags, 1); err != nil {
		return err
	}
	server := a.server()
	defer server.Close()
	machines, err := client.Export(ctx, server, flags.Arg(0))
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	_, err = fmt.Fprintf(a.stdout, "%d machines exported to %s\n", machines, flags.Arg(0))
	return err
}
