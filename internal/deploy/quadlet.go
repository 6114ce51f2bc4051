package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bty/internal/build"
	"bty/quadlet"
	"bty/units"
)

// Where Podman and systemd look for what an administrator has installed.
const (
	quadletDir = "/etc/containers/systemd/"
	unitDir    = "/etc/systemd/system/"
	usersPath  = "/etc/sysusers.d/bty.conf"
	foldersCnf = "/etc/tmpfiles.d/bty.conf"
)

// Ref is the name of a service's image.
func (s Site) Ref(service string) string {
	return s.Prefix + "/" + service + ":" + build.Tag(s.Version)
}

// quadletFiles are the units and Quadlets as they are in the repository. What is of this site is in
// drop-ins.
func (s Site) quadletFiles() []File {
	list, at := s.hostFiles(), s.Places()
	add := func(kind, from, to, service string, files fs.FS) {
		if content, err := fs.ReadFile(files, from); err == nil { // those of the list are embedded: a test looks
			list = append(list, File{Path: to, Content: string(content), Mode: 0o644, Kind: kind, Service: service, Shipped: true})
		}
	}
	if s.User == nil {
		add("users", "sysusers.d/bty.conf", usersPath, "", units.Files)
		add("users", "tmpfiles.d/bty.conf", foldersCnf, "", units.Files)
	}
	add("units", "bty.slice", at.Units+"bty.slice", "", units.Files)
	for _, v := range s.services() {
		for _, u := range slices.Concat(v.Enable, v.Units) {
			add("units", u, at.Units+u, "", units.Files)
			s.differing(add, "units", at.Units, u, "")
		}
		add("containers", v.Name+".container", at.Quadlets+v.Name+".container", v.Name, quadlet.Files)
		s.differing(add, "containers", at.Quadlets, v.Name+".container", v.Name)
		for _, volume := range v.Volumes {
			add("containers", volume+".volume", at.Quadlets+volume+".volume", "", quadlet.Files)
			s.differing(add, "containers", at.Quadlets, volume+".volume", "")
		}
		list = append(list, s.imageDropIn(v.Name))
	}
	if s.Lab != "" && s.Lab != packagedLab {
		list = append(list, File{Path: at.Units + "bty-backup.service.d/10-deploy.conf", Mode: 0o644, Kind: "units",
			Content: "# Made by bty-lab deploy: where this host has it.\n[Service]\nExecStart=\nExecStart=" + s.Lab + " backup --if-due --socket=" + at.Run + "control.sock\n"})
	}
	return list
}

// packagedLab is where the unit of the backups looks for bty-lab.
const packagedLab = "/usr/bin/bty-lab"

// imageDropIn names the image of a container. One of a registry may be pulled, and follows its tag
// where podman-auto-update.timer is enabled.
func (s Site) imageDropIn(name string) File {
	text := "# Made by bty-lab deploy.\n[Container]\nImage=" + s.Ref(name) + "\n"
	if IsRegistry(s.Prefix) {
		text += "Pull=missing\nAutoUpdate=registry\n"
	}
	return File{Path: s.Places().Quadlets + name + ".container.d/10-image.conf", Content: text, Mode: 0o644, Kind: "containers", Service: name}
}

// quadlet is for containers as services of systemd. Images come first: until they have shown that they
// run, nothing of what runs is touched.
func (d *planner) quadlet() {
	d.images()
	d.leaveOut()
	if (d.writeFiles() || d.pending()) && d.plan.Site.User == nil {
		d.step("users", "make the users, groups and folders of "+usersPath+" and "+foldersCnf, "systemd-sysusers --dry-run bty.conf says what is wrong.", action(users))
	}
	d.password()
	d.units()
}

// images brings in those that are not there, and sees that each can run on this host.
func (d *planner) images() {
	for _, v := range d.plan.Site.services() {
		ref := d.plan.Site.Ref(v.Name)
		loaded := d.Images.Loaded[ref]
		switch archive := d.Images.Archives[v.Name]; {
		case loaded && !d.pending():
			continue
		case loaded:
		case archive.Ref == ref:
			d.trial("load", ref+" from "+archive.Path, "podman load -i "+archive.Path+" says more.", load(archive.Path, ref), podmanAway("image", "exists", "rm", ref))
		default:
			d.trial("pull", ref, "Is that its name, and has the registry that version? podman pull "+ref+" says more; --image-prefix names another registry, podman login signs in.", pull(ref), podmanAway("image", "exists", "rm", ref))
		}
		d.trial("try", ref+" --version", "The image does not run here: is it of this architecture? Make it anew: make image.", try(ref), nothing)
	}
}

func load(archive, ref string) Action {
	return action(func(ctx context.Context, _ *Engine) error {
		ctx, cancel := context.WithTimeout(ctx, longTime)
		defer cancel()
		if _, err := longTool(ctx, "", "podman", "load", "--quiet", "--input", archive); err != nil {
			return err
		}
		if _, err := tool(ctx, "", "podman", "image", "exists", ref); err != nil {
			return fmt.Errorf("%s does not hold %s: %w", archive, ref, err)
		}
		return nil
	})
}

func pull(ref string) Action {
	return action(func(ctx context.Context, _ *Engine) error {
		ctx, cancel := context.WithTimeout(ctx, longTime)
		defer cancel()
		_, err := longTool(ctx, "", "podman", "pull", "--quiet", ref)
		return err
	})
}

func try(ref string) Action {
	return action(func(ctx context.Context, _ *Engine) error {
		_, err := tool(ctx, "", "podman", "run", "--rm", "--pull=never", "--network=none", "--read-only", ref, "--version")
		return err
	})
}

func users(ctx context.Context, e *Engine) error {
	if _, err := tool(ctx, "", "systemd-sysusers", path.Base(usersPath)); err != nil {
		return err
	}
	return tmpfiles(ctx, e)
}

func (e *Engine) podmanSecret(ctx context.Context, hash string) error {
	_, err := tool(ctx, hash, "podman", "secret", "create", "--replace", SecretName, "-")
	return err
}

// generated makes sure that Podman has made a service of each Quadlet: of one with a mistake it makes
// none, and systemd only says that there is no such unit.
func generated(names []string) Action {
	return action(func(ctx context.Context, e *Engine) error {
		if err := reload(ctx, e); err != nil {
			return err
		}
		report, err := e.Manager.Look(ctx, names...)
		if err != nil {
			return err
		}
		for _, u := range report.Units {
			if !u.Installed() {
				return fmt.Errorf("podman has made no %s of its Quadlet (systemd: %s): %s", u.Name, u.Load, e.generatorWords(ctx))
			}
		}
		return nil
	})
}

// generator is Podman's, which systemd runs to have units of Quadlets.
const generator = "/usr/libexec/podman/quadlet"

// generatorWords are what it says of the Quadlets there are: of mistakes, and of what it warns of and goes on.
func (e *Engine) generatorWords(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	args := []string{"-dryrun"}
	if e.Manager.Address != "" {
		args = append(args, "-user")
	}
	cmd := exec.CommandContext(ctx, e.path(generator), args...)
	cmd.WaitDelay = 2 * time.Second
	var said bytes.Buffer
	cmd.Stderr = &said // what it would write goes to the other
	err := cmd.Run()
	text := strings.TrimSpace(said.String())
	text = text[max(0, len(text)-toolTail):]
	switch {
	case err != nil:
		return strings.TrimSuffix(fmt.Sprintf("%s -dryrun: %v: %s", generator, err, text), ": ")
	case text == "":
		return generator + " -dryrun finds nothing wrong; journalctl -b -g quadlet-generator says what it found when systemd asked it"
	}
	return generator + " -dryrun: " + text
}

func (d *planner) purgeContainers(data bool) {
	if d.Record.Password == Secret { // else somebody made it before there was a deployment
		d.step("remove", "the Podman secret "+SecretName, "", podmanAway("secret", "exists", "rm", SecretName))
	}
	if data {
		for _, v := range volumes() {
			d.step("delete", "the volume "+v+" with all that is in it", "podman volume inspect "+v+" says more.", podmanAway("volume", "exists", "rm", v))
		}
	}
	d.purgeImages()
	at, made := d.plan.Site.Places(), "the empty folders of "+foldersCnf
	empty := []string{"/run/bty", "/run/bty/report", "/var/cache/bty", "/var/lib/bty", "/var/lib/bty/boot"}
	if d.plan.Site.User != nil {
		made, empty = "what the sockets and the timer have left", []string{filepath.Dir(filepath.Dir(at.Timers)), filepath.Clean(at.Timers), filepath.Clean(at.Run)}
	}
	d.step("remove", made, "", both(remove(at.left()), removeEmpty(empty)))
}

func (d *planner) purgeImages() {
	for _, v := range d.plan.Site.services() {
		refs := d.otherReleases(v.Name)
		if ref := d.plan.Site.Ref(v.Name); d.Images.Loaded[ref] || d.pending() { // what a run that was killed had begun to load may be there since
			refs = append(refs, ref)
		}
		for _, ref := range refs {
			d.step("remove", "the image "+ref, "podman ps --all shows who uses it.", podmanAway("image", "exists", "rm", ref))
		}
	}
}

// podmanAway removes a thing if it is there.
func podmanAway(kind, exists, rm, name string) Action {
	return action(func(ctx context.Context, _ *Engine) error {
		_, err := tool(ctx, "", "podman", kind, exists, name)
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
			return nil // there is none; where Podman itself fails it ends with another status
		}
		if err != nil {
			return err
		}
		_, err = tool(ctx, "", "podman", kind, rm, name)
		return err
	})
}

// differing adds what an ordinary user's systemd needs otherwise in a file.
func (s Site) differing(add func(kind, from, to, service string, files fs.FS), kind, folder, name, service string) {
	if s.User != nil {
		const dropIn = ".d/05-user.conf"
		add(kind, "user/"+name+dropIn, folder+name+dropIn, service, quadlet.Files)
	}
}

// isForServices reports whether services, or those of the user who asks, can run a program where it is.
func isForServices(program string, user bool) bool {
	for _, hidden := range []string{"/home/", "/root/", "/run/", "/tmp/", "/var/tmp/"} {
		if user && hidden == "/home/" {
			continue
		}
		if strings.HasPrefix(program, hidden) {
			return false
		}
	}
	return program != ""
}
