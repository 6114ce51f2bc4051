package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"bty/internal/build"
	"bty/internal/config"
	"bty/internal/deploy"
	"bty/internal/systemd/manager"
)

// Packages is a host whose daemons come from the package of its distribution.
type Packages struct {
	Dir      string // of the deployment
	File     string // the new package; "" if the package manager has put it in place already
	Previous string // the old one, if the operator has it
	Config   *config.Config
	Manager  manager.Manager
	Tell     func(string)

	book book
}

// book is what keeps a distribution's packages.
type book interface {
	ending() string // of its files
	// installed is the version in place, "" for none.
	installed(ctx context.Context) (string, error)
	// about reads the version of a package file, which must be ours and for this host.
	about(ctx context.Context, file string) (version string, err error)
	// edited are the files of the release that the site has changed.
	edited(ctx context.Context) ([]Edited, error)
	// changes compares a package with what is in place.
	changes(ctx context.Context, file string) ([]Change, error)
	// size is what a package needs where programs are.
	size(ctx context.Context, file string) (int64, error)
	// repack makes a package of what is installed, if that is possible. next is the new package.
	repack(ctx context.Context, to, next string) error
	canRepack() bool
	install(ctx context.Context, file string) error
}

// packageName is what the package is called.
const packageName = "bty"

// The files of packages in the folder of a snapshot.
const (
	newPackage = packagesName + "/new"
	oldPackage = packagesName + "/previous"
	logEnding  = ".log"   // of what the package manager said when it installed one
	editedName = "edited" // files of the old release as the site had them
)

// find learns which book there is.
func (p *Packages) find(ctx context.Context) (version string, err error) {
	for _, b := range []struct {
		program string
		book    book
	}{{"dpkg-query", dpkg{}}, {"rpm", rpm{}}} {
		if _, err := exec.LookPath(b.program); err != nil {
			continue
		}
		version, err := b.book.installed(ctx)
		if err != nil {
			return "", err
		}
		if version != "" {
			p.book = b.book
			return version, nil
		}
	}
	return "", refused("not-installed", "the package bty is not installed on this host", "Install it: docs/install.md. A host without packages is upgraded by hand: docs/upgrade.md")
}

// Look implements Place.
func (p *Packages) Look(ctx context.Context) (look Look, err error) {
	paths := p.Config.Paths
	look = Look{Database: p.Config.Database(), State: paths.StateDir, Apart: []string{paths.BootDir, paths.BackupDir}, Configs: p.configs(), Marks: []string{"/usr/bin/bty-web"}}
	for _, s := range deploy.Services() {
		look.Units = append(look.Units, s.Unit)
	}
	if look.From, err = p.find(ctx); err != nil {
		return look, err
	}
	if look.Edited, err = p.book.edited(ctx); err != nil {
		return look, err
	}
	if p.File == "" {
		look.To = look.From
		look.Notes = append(look.Notes, "No package was named (--package FILE), so what the package manager has put in place counts as the new release.")
		return look, nil
	}
	if look.To, err = p.book.about(ctx, p.File); err != nil {
		return look, err
	}
	if look.Changes, err = p.book.changes(ctx, p.File); err != nil {
		return look, err
	}
	if err := p.checkPrevious(ctx, look.From); err != nil {
		return look, err
	}
	size, err := p.book.size(ctx, p.File)
	look.Room = []Room{{"/usr", size, "the programs"}, {Snapshots(p.Dir), size + sizeOf(p.File), "the packages of both releases"}}
	return look, err
}

// configs are where the site's settings and secrets of this mode are, drop-ins among them.
func (p *Packages) configs() []string {
	found := []string{"/etc/bty"}
	for _, pattern := range []string{"/etc/systemd/system/bty*.d", "/etc/credstore/bty.*", "/etc/credstore.encrypted/bty.*"} {
		names, _ := filepath.Glob(pattern) // the pattern is right
		found = append(found, names...)
	}
	return found
}

// checkPrevious refuses an upgrade that there would be no way back from.
func (p *Packages) checkPrevious(ctx context.Context, from string) error {
	if p.Previous != "" {
		version, err := p.book.about(ctx, p.Previous)
		if err == nil && version != from {
			return refused("previous", fmt.Sprintf("%s is version %s, and %s is installed", p.Previous, version, from), "Name the package that is installed, or leave --previous out")
		}
		return err
	}
	if p.book.canRepack() || p.keptPackage(ctx, from) != "" {
		return nil
	}
	return refused("previous", fmt.Sprintf("the package of %s, which is installed, is not here, so there would be no way back", from),
		"Name it with --previous FILE; dnf download bty-"+from+" fetches it where it is in a repository")
}

// keptPackage is the package of a version that an earlier upgrade has kept, "" if none has.
func (p *Packages) keptPackage(ctx context.Context, version string) string {
	names, _ := filepath.Glob(filepath.Join(Snapshots(p.Dir), "*", packagesName, "*"+p.book.ending())) // the pattern is right
	for _, name := range names {
		if have, err := p.book.about(ctx, name); err == nil && have == version {
			return name
		}
	}
	return ""
}

// Prepare implements Place.
func (p *Packages) Prepare(ctx context.Context, folder string) error {
	if err := os.MkdirAll(filepath.Join(folder, packagesName), 0o700); err != nil {
		return err
	}
	if _, err := copyFile(ctx, p.File, filepath.Join(folder, newPackage+p.book.ending())); err != nil {
		return err
	}
	if err := p.keepPrevious(ctx, filepath.Join(folder, oldPackage+p.book.ending())); err != nil {
		return err
	}
	edited, err := p.book.edited(ctx)
	for _, e := range edited {
		to := filepath.Join(folder, editedName, e.Path)
		if _, err := os.Stat(e.Path); err != nil {
			continue // it was deleted
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if _, err := copyFile(ctx, e.Path, to); err != nil {
			return err
		}
	}
	return err
}

func (p *Packages) keepPrevious(ctx context.Context, to string) error {
	from := p.Previous
	if from == "" {
		version, err := p.book.installed(ctx)
		if err != nil {
			return err
		}
		from = p.keptPackage(ctx, version)
	}
	if from == "" {
		return p.book.repack(ctx, to, p.File)
	}
	_, err := copyFile(ctx, from, to)
	return err
}

// Switch implements Place.
func (p *Packages) Switch(ctx context.Context, folder string) error {
	return p.install(ctx, filepath.Join(folder, newPackage))
}

// Return implements Place.
func (p *Packages) Return(ctx context.Context, folder string) error {
	return p.install(ctx, filepath.Join(folder, oldPackage))
}

func (p *Packages) install(ctx context.Context, file string) error {
	if p.book == nil {
		if err := p.findBook(file); err != nil {
			return err
		}
	}
	told := context.AfterFunc(ctx, func() {
		p.Tell("note: told to end; waiting until the package manager has ended, which must not be cut off")
	})
	defer told()
	if err := p.book.install(ctx, file+p.book.ending()); err != nil {
		return err
	}
	return p.Refresh(ctx)
}

// findBook tells by the files that were kept: a package that is half installed may be none for its book.
func (p *Packages) findBook(file string) error {
	for _, b := range []book{dpkg{}, rpm{}} {
		if _, err := os.Stat(file + b.ending()); err == nil {
			p.book = b
			return nil
		}
	}
	return fmt.Errorf("%s.deb or .rpm: %w", file, fs.ErrNotExist)
}

// Refresh restarts the services that still run a program which was exchanged under them: a package may
// have been told not to.
func (p *Packages) Refresh(ctx context.Context) error {
	for _, s := range deploy.Services() {
		report, err := p.Manager.Look(ctx, s.Unit)
		if err != nil {
			return err
		}
		changed, err := changedAt("/usr/bin/" + s.Name)
		if err != nil {
			return err
		}
		if unit := report.Units[0]; unit.Active != "active" || !unit.Since.Before(changed) {
			continue
		}
		p.Tell(fmt.Sprintf("note: %s still runs the program from before; restarting it", s.Unit))
		err = p.Manager.Restart(ctx, s.Unit)
		if _, failed := errors.AsType[*manager.JobError](err); err != nil && !failed { // that it failed is seen by its health
			return err
		}
	}
	return nil
}

// changedAt is when a file came to be what it is: a package keeps the time of its content.
func changedAt(path string) (time.Time, error) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return time.Time{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return time.Unix(s.Ctim.Unix()), nil
}

// Settled implements Place.
func (p *Packages) Settled(ctx context.Context, _ string, _ string) error {
	program, err := tool(ctx, "/usr/bin/bty-web", "--version") // the record has the program's version, which packages spell in their own way
	if err != nil {
		return err
	}
	return deploy.Upgraded(p.Dir, strings.TrimPrefix(strings.TrimSpace(program), "bty-web "), build.Version)
}
