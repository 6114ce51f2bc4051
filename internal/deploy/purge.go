package deploy

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bty/internal/config"
)

// Purge plans how a deployment is taken away: all that its record names, and with data the state. An
// empty plan finds nothing to take away.
func Purge(o Observed, dir string, data bool) (Plan, error) {
	p := Plan{Doing: "purge", Dir: dir}
	if o.Record == nil {
		return p, nil
	}
	p.Site = o.Record.Site
	if problems := checkUser(o, p.Site); len(problems) > 0 {
		return p, &Refused{p.Doing, problems}
	}
	if p.Site.Mode == Compose && o.Record.State != Initialised && o.Podman.Compose == "" {
		return p, &Refused{p.Doing, []Problem{{"compose", "There is no program here that takes the containers of a compose file away.", "Install one: apt-get install podman-compose."}}}
	}
	d := &planner{Observed: o, plan: &p, want: Wanted{Dir: dir}}
	switch {
	case p.Site.Mode == Compose:
		d.purgeCompose(data)
	case o.Record.State != Initialised:
		d.stopAll()
	}
	d.removeFiles()
	switch {
	case o.Record.State == Initialised: // nothing is installed
	case p.Site.Mode == Quadlet:
		d.purgeContainers(data)
	case p.Site.Mode == Host && data:
		d.purgeState()
	}
	if p.Site.Mode != Compose && o.Record.State != Initialised {
		d.step("reload", "systemd reads its units again, and forgets failures", "", action(forget))
	}
	d.purgeSnapshots(data)
	record := []string{RecordPath(dir)}
	d.step("remove", RecordPath(dir)+", and the folders that were made", "", both(remove(record), removeEmpty(o.Record.Folders)))
	return p, nil
}

// stopAll stops what listens before what serves, so that no request starts a service again.
func (d *planner) stopAll() {
	var on, off []string
	for _, s := range Services() {
		for _, u := range s.all() {
			if d.Units[u].isEnabled() {
				on = append(on, u)
			}
		}
	}
	for _, kind := range []string{".timer", ".socket", ".service", ".slice"} {
		for _, u := range append(Units(), volumeUnits()...) {
			if strings.HasSuffix(u, kind) && d.Units[u].Active != "inactive" && d.Units[u].Load == "loaded" {
				off = append(off, u)
			}
		}
	}
	if len(on) > 0 {
		d.step("disable", strings.Join(on, ", "), "", disable(on))
	}
	for _, u := range off {
		d.step("stop", u, d.plan.Site.journal(u)+" says why.", stop(u))
	}
}

func (d *planner) removeFiles() {
	var paths []string
	for _, w := range d.Record.Files {
		if d.Files[w.Path] != "" || d.pending() { // a file that is not there may be half there, by another name
			paths = append(paths, w.Path)
		}
	}
	if len(paths) > 0 {
		d.step("remove", strings.Join(paths, ", "), "", remove(paths))
	}
	if d.Upgrading { // bty-web would not start again: what the guard needs goes with the snapshots
		guard := d.guard()
		d.step("remove", guard+", the guard of an upgrade that has not ended", "", both(remove([]string{guard}), removeEmpty([]string{filepath.Dir(guard)})))
	}
}

// purgeState empties the folders of the package's services. The package itself, and what it brought,
// stays.
func (d *planner) purgeState() {
	folders := []string{config.DefaultStateDir, config.DefaultCacheDir}
	if d.StateDir != "" && d.StateDir != config.DefaultStateDir {
		d.plan.Warnings = append(d.plan.Warnings, "The state is in "+d.StateDir+", as the configuration says, and stays there. If it is to go, remove that folder by hand.")
	}
	d.step("delete", "the state, backups and images: "+strings.Join(folders, ", "), "", both(empty(folders), action(tmpfiles)))
	d.step("remove", "what the sockets and the timer have left", "", remove(Site{}.Places().left()))
}

// left are where the sockets listened, and when systemd let the backup timer elapse last: it leaves the
// files there.
func (p Places) left() []string {
	return []string{p.Run + "control.sock", p.Run + "report.sock", p.Run + "report/report.sock", p.Run + "cache.sock", p.Timers + "stamp-bty-backup.timer"}
}

// empty deletes all that is in folders, and leaves them.
func empty(folders []string) Action {
	return action(func(ctx context.Context, e *Engine) error {
		for _, dir := range folders {
			entries, err := os.ReadDir(e.path(dir))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			for _, entry := range entries {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := os.RemoveAll(filepath.Join(e.path(dir), entry.Name())); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// tmpfiles makes the folders of the package as they are after its installation.
func tmpfiles(ctx context.Context, _ *Engine) error {
	_, err := tool(ctx, "", "systemd-tmpfiles", "--create", "bty.conf")
	return err
}

func forget(ctx context.Context, e *Engine) error {
	err := reload(ctx, e)
	for _, u := range Units() {
		err = errors.Join(err, e.Manager.ResetFailed(ctx, u))
	}
	return err
}

// both does one after the other.
func both(first, second Action) Action {
	return action(func(ctx context.Context, e *Engine) error {
		if err := first.do(ctx, e); err != nil {
			return err
		}
		return second.do(ctx, e)
	})
}
