package deploy

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Snapshots is the folder in which upgrades keep what they may have to go back to: secrets and a database
// are in it.
func Snapshots(dir string) string { return filepath.Join(dir, "snapshots") }

func hasSnapshots(dir string) bool { return isThere(Snapshots(dir)) }

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Guard is the drop-in by which an upgrade has systemd look after the database until it has ended.
func (s Site) Guard() string { return s.Places().Units + "bty-web.service.d/99-bty-upgrade.conf" }

// guard is that of the deployment that there is.
func (o Observed) guard() string {
	if o.Record == nil {
		return Site{}.Guard()
	}
	return o.Record.Guard()
}

// purgeSnapshots takes them away with the state that they are of.
func (d *planner) purgeSnapshots(data bool) {
	if !d.Snapshots || !data {
		return
	}
	folder := Snapshots(d.want.Dir)
	d.step("delete", "the snapshots of upgrades: "+folder, "", action(func(_ context.Context, e *Engine) error { return os.RemoveAll(e.path(folder)) }))
}

// otherReleases are images of a service that upgrades have left, beside the one that it runs.
func (d *planner) otherReleases(service string) (refs []string) {
	for ref := range d.Images.Loaded {
		if strings.HasPrefix(ref, d.plan.Site.Prefix+"/"+service+":") && ref != d.plan.Site.Ref(service) {
			refs = append(refs, ref)
		}
	}
	slices.Sort(refs)
	return refs
}
