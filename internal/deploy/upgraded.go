package deploy

import (
	"slices"
	"time"
)

// Exchanged is a file that an upgrade replaces, with what it holds under either release.
type Exchanged struct{ Path, Old, New string }

// Upgraded has the record of a folder name the release that is in place now, and the files as an upgrade
// has left them. One that somebody had edited still counts as edited: the upgrade has kept the edit, and
// the next deploy has to leave it, too. A folder without a record is not a deployment, which is fine.
func Upgraded(dir, version, by string, exchanged ...Exchanged) error {
	r, err := ReadRecord(dir)
	if err != nil || r == nil {
		return err
	}
	for _, f := range exchanged {
		sum, err := digestOf(f.Path)
		if err != nil {
			return err
		}
		if sum == "" {
			continue
		}
		i := slices.IndexFunc(r.Files, func(w Written) bool { return w.Path == f.Path })
		switch {
		case i < 0:
			r.Files = append(r.Files, Written{Path: f.Path, Digest: sum})
		case r.Files[i].Digest == digest(f.Old), r.Files[i].Digest == digest(f.New):
			r.Files[i].Digest = sum
		}
	}
	r.Version, r.By, r.At = version, by, time.Now().UTC()
	return r.write(dir)
}
