package deploy

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"bty/internal/build"
)

// Deploy plans the way from what was observed to what is wanted. The error is a *Refused.
func Deploy(o Observed, w Wanted) (Plan, error) {
	site, warnings, problems := Resolve(o, w)
	files := site.Files(w.Dir)
	problems = append(problems, check(o, site, files, w.Force, w.Password)...)
	p := Plan{Doing: "deploy", Dir: w.Dir, Site: site, Warnings: warnings}
	if len(problems) > 0 {
		return p, &Refused{p.Doing, problems}
	}
	d := &planner{Observed: o, want: w, plan: &p, files: files, left: map[string]bool{}}
	d.deploy()
	return p, nil
}

// planner collects steps.
type planner struct {
	Observed
	want  Wanted
	plan  *Plan
	files []File

	left    map[string]bool // files that somebody has edited
	restart []string        // services that have to take something up
}

func (d *planner) step(name, detail, next string, do Action) {
	d.plan.Steps = append(d.plan.Steps, Step{Name: name, Detail: detail, Next: next, Action: do})
}

// trial is a step that is taken back if it, or another before anything runs, fails.
func (d *planner) trial(name, detail, next string, do, back Action) {
	d.plan.Steps = append(d.plan.Steps, Step{name, detail, next, do, back})
}

// pending holds after a run that was cut off: what it left cannot be told from what is right, so
// nothing is taken for granted.
func (d *planner) pending() bool { return d.Record != nil && d.Record.State == Deploying }

func (d *planner) deploy() {
	switch d.plan.Site.Mode {
	case Host:
		d.host()
	case Quadlet:
		d.quadlet()
	case Compose:
		d.compose()
	}
	if len(d.plan.Steps) == 0 && !d.pending() && d.Record != nil && d.Record.State == Deployed && d.sameSite() {
		return
	}
	d.frame()
}

func (d *planner) sameSite() bool {
	a, b := d.Record.Site, d.plan.Site
	return a.Mode == b.Mode && a.Address == b.Address && a.Prefix == b.Prefix && a.Version == b.Version && a.Lab == b.Lab && slices.Equal(a.Without, b.Without)
}

// host is for the services of a package.
func (d *planner) host() {
	d.leaveOut()
	d.writeFiles()
	d.password()
	d.units()
}

// writeFiles writes those that are missing or not as they should be. What somebody has edited since
// it was written is left.
func (d *planner) writeFiles() (changed bool) {
	byKind := map[string][]File{}
	var kinds []string
	for _, f := range d.files {
		there, was := d.Files[f.Path], d.recorded(f.Path)
		if there == digest(f.Content) {
			continue
		}
		if there != "" && was != nil && was.Digest != "" && was.Digest != there && !d.want.Force {
			d.plan.Warnings = append(d.plan.Warnings, f.Path+" was edited since it was deployed, and is left as it is; --force writes it anew.")
			d.left[f.Path] = true
			continue
		}
		if there != "" && was != nil && f.Shipped && d.plan.Doing == "deploy" && d.isOlder() && !d.want.Force {
			d.left[f.Path] = true // an upgrade brings it, with the images that it is for
			continue
		}
		if !slices.Contains(kinds, f.Kind) {
			kinds = append(kinds, f.Kind)
		}
		byKind[f.Kind] = append(byKind[f.Kind], f)
		d.restarts(f.Service)
		changed = true
	}
	for _, kind := range kinds {
		d.step("write "+kind, list(byKind[kind]), "", write(byKind[kind]))
	}
	return d.dropFiles() || changed
}

// isOlder holds where the deployment is left at another release than this bty-lab's.
func (d *planner) isOlder() bool {
	return d.Record != nil && d.plan.Site.Mode != Host && build.Tag(d.plan.Site.Version) != build.Tag(d.want.Version)
}

// dropFiles removes what an earlier release had and this one has not.
func (d *planner) dropFiles() bool {
	if d.Record == nil {
		return false
	}
	var gone []string
	for _, w := range d.Record.Files {
		there := d.Files[w.Path]
		switch {
		case there == "" || d.isOurs(w.Path) || d.plan.Doing != "init" && isPreview(d.want.Dir, w.Path):
		case w.Digest != "" && w.Digest != there && !d.want.Force:
			d.plan.Warnings = append(d.plan.Warnings, w.Path+" was edited since it was deployed, and is left although nothing needs it any more; --force removes it.")
			d.left[w.Path] = true
		default:
			gone = append(gone, w.Path)
		}
	}
	if len(gone) > 0 {
		d.step("remove", strings.Join(gone, ", "), "", remove(gone))
	}
	return len(gone) > 0
}

// isOurs reports whether a path is of this release's files, or the password's.
func (d *planner) isOurs(p string) bool {
	return slices.ContainsFunc(d.files, func(f File) bool { return f.Path == p }) || slices.Contains(d.passwordFiles(), p)
}

func (d *planner) restarts(service string) {
	if service != "" && !slices.Contains(d.restart, service) {
		d.restart = append(d.restart, service)
	}
}

// newPassword is where one is to be put, if one is to be made up or was brought. One that nobody has
// been shown, because the run that made it was cut off, is no password.
func (d *planner) newPassword() (kind PasswordKind, isNew bool) {
	unseen := d.pending() && d.Record.Unseen
	if d.Password != NoPassword && !d.want.Password && !unseen {
		return d.Password, false
	}
	kind = map[Mode]PasswordKind{Host: Credential, Quadlet: Secret, Compose: SecretFile}[d.plan.Site.Mode]
	if kind == Credential && d.Systemd.Creds {
		kind = Sealed
	}
	return kind, true
}

// passwordFiles are those that may hold the password or lead to it.
func (d *planner) passwordFiles() []string {
	switch d.plan.Site.Mode {
	case Host:
		return []string{credentialPath, sealedPath, passwordDropIn}
	case Compose:
		return []string{filepath.Join(d.want.Dir, secretsFolder, passwordFile)}
	}
	return nil
}

func (d *planner) password() {
	kind, isNew := d.newPassword()
	if !isNew {
		return
	}
	detail := "make one up, and keep it as " + kind.String()
	if d.want.Password {
		detail = "keep the one that was brought as " + kind.String()
	}
	d.step("password", detail, "", setPassword(kind))
	d.restarts("bty-web")
}

// units has the right ones enabled and running.
func (d *planner) units() {
	if d.pending() || len(d.plan.Steps) > 0 || d.anyStale() {
		d.step("reload", "systemd reads its units again", "", d.reload())
	}
	var off []string
	for _, s := range d.plan.Site.services() {
		for _, u := range s.Enable {
			if !d.Units[u].isEnabled() {
				off = append(off, u)
			}
		}
	}
	if len(off) > 0 {
		d.step("enable", strings.Join(off, ", "), "systemctl status says what is wrong with the unit.", enable(off))
	}
	d.start()
}

// reload is more where systemd gets units from Podman.
func (d *planner) reload() Action {
	if d.plan.Site.Mode != Quadlet {
		return action(reload)
	}
	var names []string
	for _, s := range d.plan.Site.services() {
		names = append(names, s.Unit)
	}
	return generated(names)
}

func (d *planner) anyStale() bool {
	for _, u := range d.Units {
		if u.Stale {
			return true
		}
	}
	return false
}

// start starts what does not listen, and has what runs take up what has changed.
func (d *planner) start() {
	began := false
	for _, s := range d.plan.Site.services() {
		for _, u := range s.Enable {
			if !d.Units[u].runs() {
				d.step("start", u, d.plan.Site.journal(u)+" says why.", start(u))
				began = true
			}
		}
	}
	for _, s := range d.plan.Site.services() {
		if (slices.Contains(d.restart, s.Name) || d.pending()) && d.Units[s.Unit].runs() {
			d.step("restart", s.Unit, d.plan.Site.journal(s.Unit)+" says why.", restart(s.Unit))
			began = true
		}
	}
	if began || len(d.plan.Steps) > 0 {
		d.step("check", fmt.Sprintf("bty-web answers on port %d", d.WebPort), d.plan.Site.journal("bty-web")+" says what it is at.", checkAnswer(d.plan.Site, d.WebPort, d.plan.Site.webWords))
	}
}

// leaveOut takes services away that are not to be there.
func (d *planner) leaveOut() {
	for _, s := range d.plan.Site.leftOut() {
		for _, u := range s.all() {
			if d.Units[u].runs() {
				d.step("stop", u, "", stop(u))
			}
		}
		for _, u := range s.Enable {
			if d.Units[u].isEnabled() {
				d.step("disable", u, "", disable([]string{u}))
			}
		}
	}
}

// frame puts the record around the steps: what is meant before the first, what is there after the last.
func (d *planner) frame() { d.frameAs(Deployed) }

// frameAs is frame for an end in some state.
func (d *planner) frameAs(end State) {
	r := Record{State: Deploying, Site: d.plan.Site, By: d.want.Version}
	if d.Record != nil {
		r.Folders, r.Password, r.At = d.Record.Folders, d.Record.Password, d.Record.At
	}
	for _, f := range d.files {
		w := Written{f.Path, digest(f.Content)}
		if was := d.recorded(f.Path); d.left[f.Path] { // edited: it stays different from what was written
			w = *was
		}
		r.Files = append(r.Files, w)
	}
	r.Files = append(r.Files, d.others()...)
	kind, isNew := d.newPassword()
	switch {
	case end == Initialised:
		r.State, isNew = Initialised, false // nothing is installed at any time
	case isNew:
		r.Password, r.Unseen = kind, !d.want.Password
	}
	if end != Initialised && r.Password != NoPassword {
		for _, p := range d.passwordFiles() {
			r.Files = append(r.Files, Written{Path: p})
		}
	}
	first := Step{"begin", "note in " + RecordPath(d.want.Dir) + " what is to be done", "", begin(r, d.want.Dir), unbegun(d.Record, d.want.Dir)}
	last := Step{Name: "done", Detail: "note in " + RecordPath(d.want.Dir) + " what is there now", Action: done(r, d.want.Dir, end)}
	d.plan.Steps = slices.Concat([]Step{first}, d.plan.Steps, []Step{last})
}
