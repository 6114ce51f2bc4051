package deploy

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Init plans the writing of what deploy would install, into a folder: to be read, changed in a version
// of one's own, or handed to a tool that manages hosts. Nothing is installed and nothing is started.
func Init(o Observed, w Wanted) (Plan, error) {
	site, warnings, problems := Resolve(o, w)
	p := Plan{Doing: "init", Dir: w.Dir, Site: site, Warnings: warnings}
	if o.Record != nil && o.Record.State != Initialised {
		problems = append(problems, Problem{"deployed", w.Dir + " holds a deployment already.", "Choose another folder, or look at it: bty-lab status " + w.Dir + "."})
	}
	files := site.preview(w.Dir)
	d := &planner{Observed: o, want: w, plan: &p, files: files, left: map[string]bool{}}
	if !w.Force {
		problems = append(problems, checkFiles(o, files)...)
	}
	if len(problems) > 0 {
		return p, &Refused{p.Doing, problems}
	}
	if d.writeFiles(); len(p.Steps) == 0 && o.Record != nil && d.sameSite() {
		return p, nil
	}
	d.frameAs(Initialised)
	return p, nil
}

// previewFolder is where the files of other folders are, with those folders below it.
const previewFolder = "files"

// preview are the files of a site as init writes them.
func (s Site) preview(dir string) []File {
	files := s.Files(dir)
	if s.Mode == Compose {
		return files // they belong there
	}
	for i := range files {
		files[i].Path = filepath.Join(dir, previewFolder, files[i].Path)
		files[i].Kind, files[i].Service = "files", ""
	}
	return files
}

// others are the files of the record that this site does not have: what init has written, what is edited
// and left, and what this run is to remove. A run that is cut off before it does must not forget them; what
// is gone at the end is taken from the record then.
func (d *planner) others() []Written {
	if d.Record == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(d.Record.Files), func(w Written) bool { return d.isOurs(w.Path) })
}

func isPreview(dir, path string) bool {
	return strings.HasPrefix(path, filepath.Join(dir, previewFolder)+"/")
}

// InitSummary says what init has left to do.
func InitSummary(p Plan) string {
	where := p.Dir
	if p.Site.Mode != Compose {
		where = filepath.Join(p.Dir, previewFolder) + ", as they would be below /"
	}
	return fmt.Sprintf("The files of a deployment in the mode %s are in %s. Nothing runs yet, and no password is set.\nDeploy it: bty-lab deploy %s", p.Site.Mode, where, p.Dir)
}
