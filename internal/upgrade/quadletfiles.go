package upgrade

import (
	"context"
	"path/filepath"

	"bty/internal/build"
	"bty/internal/deploy"
	"bty/quadlet"
	"bty/units"
)

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
		content, ok := shipped(w.Path, c.Site.Places())
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
func shipped(path string, at deploy.Places) (content []byte, ok bool) {
	files, name := units.Files, filepath.Base(path)
	switch dir := filepath.Dir(path); dir {
	case filepath.Clean(at.Quadlets):
		files = quadlet.Files
	case "/etc/sysusers.d":
		name = "sysusers.d/" + name
	case "/etc/tmpfiles.d":
		name = "tmpfiles.d/" + name
	case filepath.Clean(at.Units):
	default: // of drop-ins, those that a user has
		if above := filepath.Dir(dir); above != filepath.Clean(at.Quadlets) && above != filepath.Clean(at.Units) {
			return nil, false
		}
		files, name = quadlet.Files, "user/"+filepath.Base(dir)+"/"+name
	}
	content, err := files.ReadFile(name)
	return content, err == nil
}
