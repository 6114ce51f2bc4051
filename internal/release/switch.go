package release

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// planName is the file that decides a switch: as long as it is there, the files that it names
// are to be taken from the staging folder that it names. It is written whole, and removed when
// the last file has its name.
const planName = ownPrefix + "switch.json"

// plan is what planName holds.
type plan struct {
	From  string   `json:"from"`
	Files []string `json:"files"`
}

// Switch gives the files of the set their names. Either all of them have changed or none, whatever
// happens: the plan is on the disk before the first file gets its name, and Recover carries it out.
func (g *Staging) Switch() error {
	s := g.shelf
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.finish(); err != nil {
		return fmt.Errorf("finish the last change of the boot folder: %w", err)
	}
	p := plan{From: g.dir}
	for _, file := range g.files {
		if info, err := s.Root.Lstat(file.Name); err == nil && info.IsDir() {
			return isFolder(file.Name)
		}
		p.Files = append(p.Files, file.Name)
	}
	if err := syncDir(g.root); err != nil {
		return err
	}
	if len(p.Files) == 1 { // one rename is atomic by itself
		return s.storeFault(errors.Join(s.Root.Rename(g.dir+"/"+p.Files[0], p.Files[0]), syncDir(s.Root)), p.Files[0])
	}
	if err := s.decide(p); err != nil {
		return s.storeFault(err, "the set")
	}
	g.decided = true
	err := s.carryOut(p)
	g.decided = err != nil
	return err
}

// decide puts the plan in place.
func (s *Shelf) decide(p plan) error {
	raw, err := json.Marshal(p)
	if err != nil {
		return err
	}
	draft := p.From + "/" + planName // no boot file can have this name
	file, err := s.Root.OpenFile(draft, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(raw)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := s.Root.Rename(draft, planName); err != nil {
		return err
	}
	return syncDir(s.Root)
}

// finish carries out the plan that was decided, if there is one.
func (s *Shelf) finish() error {
	raw, err := s.Root.ReadFile(planName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var p plan
	if err := json.Unmarshal(raw, &p); err != nil {
		return fmt.Errorf("%s in %s cannot be read (%w); delete it, and fetch or build the boot files again", planName, s.Path, err)
	}
	return s.carryOut(p)
}

// carryOut may be repeated: a file that is not in the staging folder any more has its name already.
func (s *Shelf) carryOut(p plan) error {
	for _, name := range p.Files {
		if !fs.ValidPath(p.From) || CheckName(name) != nil {
			return fmt.Errorf("%s in %s names %q; delete it, and fetch or build the boot files again", planName, s.Path, name)
		}
		if err := s.Root.Rename(p.From+"/"+name, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("give boot file %s its name: %w", name, err)
		}
	}
	if err := syncDir(s.Root); err != nil {
		return err
	}
	if err := s.Root.Remove(planName); err != nil {
		return err
	}
	return syncDir(s.Root)
}
