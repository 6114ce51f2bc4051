package upgrade

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"bty/internal/build"
	"bty/internal/config"
	"bty/internal/deploy"
	"bty/internal/systemd/manager"
	"bty/quadlet"
	"bty/units"
)

// Containers is a host whose daemons are containers that systemd starts.
type Containers struct {
	Dir     string // of the deployment
	Images  string // folder with archives of images; "" for those that are loaded, or pulled
	Version string // of the new release; "" for that of the archives
	Manager manager.Manager
	Tell    func(string)

	running []container
	found   map[string]archive
}

// container is one of the daemons.
type container struct {
	name string // of the container, its image and its service
	now  string // reference of the image that its Quadlet names
	next string
	from string // archive of next, "" if there is none
}

// quadletDir is where Podman makes units of files for root.
const quadletDir = "/etc/containers/systemd"

// volumes is where Podman keeps them.
const volumes = "/var/lib/containers/storage/volumes"

func (c container) unit() string { return c.name + ".service" }

func (c container) file() string { return filepath.Join(quadletDir, c.name+".container") }

// imageDropIn is the file that says which release a container runs.
func (c container) imageDropIn() string {
	return filepath.Join(quadletDir, c.name+".container.d", "10-image.conf")
}

func imageLines(reference string) string {
	return "# Made by bty-lab. The release that this container runs.\n[Container]\nImage=" + reference + "\n"
}

// withImage names another image in a drop-in, whatever else stands there.
func withImage(text, reference string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "Image=") {
			line = "Image=" + reference + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// machineName is this host's architecture as archives of images spell it.
func machineName() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}

// imageOf is what a container's Quadlet and its drop-ins name in the end.
func imageOf(c container) (reference string, err error) {
	files, err := filepath.Glob(filepath.Join(quadletDir, c.name+".container.d", "*.conf"))
	if err != nil {
		return "", err
	}
	for _, path := range append([]string{c.file()}, files...) {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), "Image="); ok {
				reference = value
			}
		}
	}
	return reference, nil
}

// Look implements Place.
func (c *Containers) Look(ctx context.Context) (look Look, err error) {
	if err := c.find(); err != nil {
		return look, err
	}
	if look.State, err = mountpoint(ctx, "bty-data"); err != nil {
		return look, err
	}
	look.Database = filepath.Join(look.State, "bty.db")
	if err := checkConfig(look.State); err != nil {
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
	look.Room = []Room{{"/var/lib/containers", 2 * size, "the images"}}
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
		one := container{name: s.Name}
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
		return refused("not-installed", "there is no "+filepath.Join(quadletDir, "bty-web.container")+": the appliance does not run in containers of systemd here", "bty-lab deploy --mode quadlet brings it up; bty-lab upgrade --mode host is for packages")
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
		if _, err := tool(ctx, "podman", "image", "exists", one.next); err != nil {
			return refused("images", fmt.Sprintf("the image %s is not loaded", one.next), "Load it (podman load -i FILE), or name the folder of the new images with --images")
		}
	}
	return nil
}

// mountpoint is where the files of a volume are.
func mountpoint(ctx context.Context, volume string) (string, error) {
	out, err := tool(ctx, "podman", "volume", "inspect", "--format", "{{.Mountpoint}}", volume)
	if _, failed := errors.AsType[*toolError](err); failed { // it is made with the first start
		return filepath.Join(volumes, volume, "_data"), nil
	}
	return strings.TrimSpace(out), err
}

// checkConfig refuses a configuration that no release would start with: what runs has read another one.
func checkConfig(state string) error {
	_, _, err := config.Load(config.Source{Getenv: func(name string) string {
		if name == "BTY_PATHS_STATE_DIR" {
			return state
		}
		return ""
	}})
	return err
}

func (c *Containers) configs() []string {
	found := []string{"/etc/bty"}
	for _, pattern := range []string{quadletDir + "/bty*", "/etc/systemd/system/bty*.d"} {
		names, _ := filepath.Glob(pattern) // the pattern is right
		found = append(found, names...)
	}
	return found
}

// compare says which images and Quadlet files the new release has otherwise, and which files are edited.
func (c *Containers) compare(ctx context.Context) (changes []Change, edited []Edited, err error) {
	for _, one := range c.running {
		if one.next != one.now {
			changes = append(changes, Change{"changed", one.now + " -> " + one.next})
		}
	}
	files, edited, err := c.files()
	for _, f := range files {
		changes = append(changes, Change{"changed", f.Path})
	}
	return changes, edited, err
}

// files are what the new release has otherwise of units, Quadlets, users and folders. It is this bty-lab's,
// if it is of that release. One that somebody has edited since it was deployed stays.
func (c *Containers) files() (files []deploy.File, edited []Edited, err error) {
	record, err := deploy.ReadRecord(c.Dir)
	if err != nil || record == nil || !c.isOurs() { // installed by hand: the files are the site's
		return nil, nil, err
	}
	for _, w := range record.Files {
		content, ok := shipped(w.Path)
		if !ok {
			continue
		}
		switch sum, err := digestOf(w.Path); {
		case err != nil:
			return nil, nil, err
		case sum == "":
			edited = append(edited, Edited{w.Path, "was deleted, and stays so"})
		case sum == digest(content):
		case sum != w.Digest:
			edited = append(edited, Edited{w.Path, "stays as it is; the new release's is not in force. A drop-in keeps an edit apart"})
		default:
			files = append(files, deploy.File{Path: w.Path, Content: string(content), Mode: 0o644})
		}
	}
	return files, edited, nil
}

// isOurs reports whether this bty-lab is of the release that is to be put in place.
func (c *Containers) isOurs() bool {
	_, _, tag := splitReference(c.running[0].next)
	return tag == build.Tag(build.Version)
}

// shipped is what this release installs at a path.
func shipped(path string) (content []byte, ok bool) {
	files, name := units.Files, filepath.Base(path)
	switch filepath.Dir(path) {
	case quadletDir:
		files = quadlet.Files
	case "/etc/sysusers.d":
		name = "sysusers.d/" + name
	case "/etc/tmpfiles.d":
		name = "tmpfiles.d/" + name
	case "/etc/systemd/system":
	default:
		return nil, false
	}
	content, err := files.ReadFile(name)
	return content, err == nil
}

// oldFiles is the list of what a switch replaces, in the folder of a snapshot.
const oldFiles = packagesName + "/quadlets.json"

// Prepare implements Place. Images that are loaded beside those that run touch nothing.
func (c *Containers) Prepare(ctx context.Context, folder string) error {
	if err := os.MkdirAll(filepath.Join(folder, packagesName), 0o700); err != nil {
		return err
	}
	for _, one := range c.running {
		if err := c.pin(ctx, one); err != nil {
			return err
		}
		if err := bring(ctx, one); err != nil {
			return err
		}
	}
	files, _, err := c.files()
	if err != nil {
		return err
	}
	plan := switching{Next: files}
	for _, one := range c.running {
		plan.Units = append(plan.Units, one.unit())
		now, err := os.ReadFile(one.imageDropIn())
		if err != nil {
			return err
		}
		plan.Next = append(plan.Next, deploy.File{Path: one.imageDropIn(), Content: withImage(string(now), one.next), Mode: 0o644})
	}
	for _, f := range plan.Next {
		now, err := os.ReadFile(f.Path)
		if err != nil {
			return err
		}
		plan.Old = append(plan.Old, deploy.File{Path: f.Path, Content: string(now), Mode: f.Mode})
	}
	raw, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return err
	}
	return deploy.ReplaceFile(filepath.Join(folder, oldFiles), raw, 0o600)
}

// switching is what differs between the two releases.
type switching struct {
	Units     []string
	Old, Next []deploy.File
}

func readSwitching(folder string) (s switching, err error) {
	raw, err := os.ReadFile(filepath.Join(folder, oldFiles))
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil {
		err = fmt.Errorf("what differs between the releases cannot be read: %w", err)
	}
	return s, err
}

// pin has a container name its release by itself, with a tag that no other image takes over. What it runs
// stays what it is.
func (c *Containers) pin(ctx context.Context, one container) error {
	_, err := os.Stat(one.imageDropIn())
	prefix, name, tag := splitReference(one.now)
	if err == nil && tag != "latest" {
		return nil
	}
	pinned := one.now
	if tag == "latest" {
		id, err := tool(ctx, "podman", "image", "inspect", "--format", "{{.Id}}", one.now)
		if err != nil {
			return err
		}
		pinned = prefix + "/" + name + ":was-" + strings.TrimSpace(id)[:12]
		if _, err := tool(ctx, "podman", "tag", one.now, pinned); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(one.imageDropIn()), 0o755); err != nil {
		return err
	}
	text := imageLines(pinned)
	if now, err := os.ReadFile(one.imageDropIn()); err == nil {
		if changed := withImage(string(now), pinned); strings.Contains(changed, "Image="+pinned+"\n") {
			text = changed
		}
	}
	return deploy.ReplaceFile(one.imageDropIn(), []byte(text), 0o644)
}

// bring has Podman know the new image.
func bring(ctx context.Context, one container) error {
	if one.from != "" {
		_, err := tool(ctx, "podman", "load", "--quiet", "--input", one.from)
		return err
	}
	if prefix, _, _ := splitReference(one.next); !deploy.IsRegistry(prefix) {
		return nil
	}
	if _, err := tool(ctx, "podman", "image", "exists", one.next); err == nil {
		return nil
	}
	_, err := tool(ctx, "podman", "pull", "--quiet", one.next)
	return err
}

// Switch implements Place.
func (c *Containers) Switch(ctx context.Context, folder string) error {
	return c.put(ctx, folder, func(s switching) []deploy.File { return s.Next })
}

// Return implements Place.
func (c *Containers) Return(ctx context.Context, folder string) error {
	if err := c.put(ctx, folder, func(s switching) []deploy.File { return s.Old }); err != nil {
		return err
	}
	return restoreMissing(ctx, filepath.Join(folder, treeName))
}

func (c *Containers) put(ctx context.Context, folder string, choose func(switching) []deploy.File) error {
	plan, err := readSwitching(folder)
	if err != nil {
		return err
	}
	for _, f := range choose(plan) {
		if err := deploy.ReplaceFile(f.Path, []byte(f.Content), modeOf(f.Path, f.Mode)); err != nil {
			return err
		}
	}
	if err := c.users(ctx, choose(plan)); err != nil {
		return err
	}
	if err := c.Manager.Reload(ctx); err != nil {
		return err
	}
	return c.restart(ctx, plan.Units)
}

// users has systemd make the users and folders of files that have changed.
func (c *Containers) users(ctx context.Context, files []deploy.File) error {
	for _, f := range files {
		var err error
		switch filepath.Dir(f.Path) {
		case "/etc/sysusers.d":
			_, err = tool(ctx, "systemd-sysusers", f.Path)
		case "/etc/tmpfiles.d":
			_, err = tool(ctx, "systemd-tmpfiles", "--create", f.Path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// restart restarts what runs. A release that does not come up is seen by its health.
func (c *Containers) restart(ctx context.Context, units []string) error {
	report, err := c.Manager.Look(ctx, units...)
	if err != nil {
		return err
	}
	for _, unit := range report.Units {
		if unit.Active == "inactive" {
			continue
		}
		err := c.Manager.Restart(ctx, unit.Name)
		if _, failed := errors.AsType[*manager.JobError](err); err != nil && !failed {
			return err
		}
	}
	return nil
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
