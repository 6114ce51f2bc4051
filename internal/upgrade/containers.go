package upgrade

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"bty/internal/build"
	"bty/internal/config"
	"bty/internal/deploy"
	"bty/internal/systemd/manager"
)

// Containers is a host whose daemons are containers that systemd starts.
type Containers struct {
	Dir     string // of the deployment
	Images  string // folder with archives of images; "" for those that are loaded, or pulled
	Version string // of the new release; "" for that of the archives
	Manager manager.Manager
	Site    deploy.Site // whose systemd it is, and where the files are
	Tell    func(string)

	running []container
	found   map[string]archive
}

// Look implements Place.
func (c *Containers) Look(ctx context.Context) (look Look, err error) {
	if err := c.find(); err != nil {
		return look, err
	}
	if look.State, err = mountpoint(ctx, c.Site, "bty-data"); err != nil {
		return look, err
	}
	look.Database = filepath.Join(look.State, "bty.db")
	if look.Apart, err = checkConfig(look.State, c.Site); err != nil {
		return look, err
	}
	look.Configs = c.configs()
	for _, one := range c.running {
		look.Units = append(look.Units, one.unit())
	}
	web := c.running[0]
	look.Marks = []string{web.imageDropIn()}
	_, _, look.From = splitReference(web.now)
	_, _, look.To = splitReference(web.next)
	if err := c.checkImages(ctx); err != nil {
		return look, err
	}
	if look.Changes, look.Edited, err = c.compare(ctx); err != nil {
		return look, err
	}
	var size int64
	for _, one := range c.running {
		size += sizeOf(one.from)
	}
	if !c.isOurs() && look.From != look.To {
		look.Notes = append(look.Notes, fmt.Sprintf("This bty-lab is of %s: units and Quadlets stay as they are. Those of %s come with its own bty-lab.", build.Version, look.To))
	}
	look.Room = []Room{{c.Site.Storage(), 2 * size, "the images"}}
	return look, nil
}

// find learns which containers are installed, and what they run.
func (c *Containers) find() error {
	var err error
	if c.Images != "" {
		if c.found, err = archives(c.Images); err != nil {
			return err
		}
		if len(c.found) == 0 {
			return refused("images", fmt.Sprintf("%s has no image for %s (bty-web.%s.tar and so on)", c.Images, machineName(), machineName()), "Name the folder that make image wrote, with --images")
		}
	}
	c.running = nil
	for _, s := range deploy.Services() {
		one := container{name: s.Name, dir: c.quadlets()}
		if one.now, err = imageOf(one); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		one.next, one.from = c.nextOf(one)
		c.running = append(c.running, one)
	}
	if len(c.running) == 0 || c.running[0].name != "bty-web" {
		return refused("not-installed", "there is no "+filepath.Join(c.quadlets(), "bty-web.container")+": the appliance does not run in containers of systemd here", "bty-lab deploy --mode quadlet brings it up; bty-lab upgrade --mode host is for packages")
	}
	return nil
}

// nextOf is the new image of a container: that of its archive, or the same name with the version asked for.
func (c *Containers) nextOf(one container) (reference, from string) {
	prefix, name, tag := splitReference(one.now)
	if a, ok := c.found[one.name]; ok && (c.Version == "" || c.Version == a.tag) {
		return a.prefix + "/" + one.name + ":" + a.tag, a.path
	}
	return prefix + "/" + name + ":" + cmp.Or(c.Version, tag), ""
}

// checkImages refuses what cannot be had, and releases that do not belong together.
func (c *Containers) checkImages(ctx context.Context) error {
	_, _, version := splitReference(c.running[0].next)
	for _, one := range c.running {
		prefix, _, tag := splitReference(one.next)
		switch {
		case tag != version:
			return refused("images", fmt.Sprintf("the image of %s would be %s, and that of bty-web %s: they are one release", one.name, one.next, c.running[0].next), "Put the images of all daemons in the folder of --images, from one make image")
		case one.from != "" || deploy.IsRegistry(prefix) || one.next == one.now:
			continue
		}
		if there, err := isLoaded(ctx, one.next); err != nil {
			return err
		} else if !there {
			return refused("images", fmt.Sprintf("the image %s is not loaded", one.next), "Load it (podman load -i FILE), or name the folder of the new images with --images")
		}
	}
	return nil
}

// mountpoint is where the files of a volume are.
func mountpoint(ctx context.Context, site deploy.Site, volume string) (string, error) {
	out, err := tool(ctx, "podman", "volume", "inspect", "--format", "{{.Mountpoint}}", volume)
	if _, failed := errors.AsType[*toolError](err); failed { // it is made with the first start
		return filepath.Join(site.Storage(), "storage/volumes", volume, "_data"), nil
	}
	return strings.TrimSpace(out), err
}

// stateInside is where a container has its state.
const stateInside = "/var/lib/bty"

// checkConfig refuses a configuration that no release would start with: what runs has read another one. It
// returns the folders of boot files and backups, as this host sees them.
func checkConfig(state string, site deploy.Site) (apart []string, err error) {
	cfg, _, err := config.Load(config.Source{Etc: filepath.Clean(site.Places().Config), Getenv: func(name string) string {
		if name == "BTY_PATHS_STATE_DIR" {
			return state
		}
		return ""
	}})
	if err != nil {
		return nil, err
	}
	for _, path := range []string{cfg.Paths.BootDir, cfg.Paths.BackupDir} {
		if name, err := filepath.Rel(stateInside, path); err == nil && filepath.IsLocal(name) {
			path = filepath.Join(state, name)
		}
		apart = append(apart, path)
	}
	return apart, nil
}

// quadlets is the folder that Podman makes units of.
func (c *Containers) quadlets() string { return filepath.Clean(c.Site.Places().Quadlets) }

func (c *Containers) configs() []string {
	at := c.Site.Places()
	found := []string{filepath.Clean(at.Config)}
	for _, pattern := range []string{at.Quadlets + "bty*", at.Units + "bty*.d"} {
		names, _ := filepath.Glob(pattern) // the pattern is right
		found = append(found, names...)
	}
	return found
}

// Refresh implements Place: a container runs what it was started with, whatever its tag names by now.
func (c *Containers) Refresh(ctx context.Context) error {
	var stale []string
	for _, one := range c.running {
		runs, err := tool(ctx, "podman", "container", "inspect", "--format", "{{.Image}}", one.name)
		if err != nil {
			continue // it does not run
		}
		named, err := tool(ctx, "podman", "image", "inspect", "--format", "{{.Id}}", one.now)
		if err != nil {
			return err
		}
		if strings.TrimSpace(runs) != strings.TrimSpace(named) {
			stale = append(stale, one.unit())
		}
	}
	if len(stale) == 0 {
		return nil
	}
	c.Tell("note: still another image runs of " + strings.Join(stale, ", ") + "; restarting")
	return c.restart(ctx, stale)
}

// Settled implements Place.
func (c *Containers) Settled(_ context.Context, folder string, release string) error {
	var exchanged []deploy.Exchanged
	if folder != "" {
		plan, err := readSwitching(folder)
		if err != nil {
			return err
		}
		for i, f := range plan.Next { // Old has the same files in the same order
			exchanged = append(exchanged, deploy.Exchanged{Path: f.Path, Old: plan.Old[i].Content, New: f.Content})
		}
	}
	return deploy.Upgraded(c.Dir, release, build.Version, exchanged...)
}
