package deploy

import (
	"errors"
	"io/fs"
	"slices"
	"time"
)

// Upgraded has the record of a folder name the release that is in place now, and the files as an upgrade
// has left them. A folder without a record is not a deployment, which is fine.
func Upgraded(dir, version, by string, written ...string) error {
	r, err := ReadRecord(dir)
	if err != nil || r == nil {
		return err
	}
	for _, path := range written {
		sum, err := digestOf(path)
		if errors.Is(err, fs.ErrNotExist) || sum == "" {
			continue
		}
		if err != nil {
			return err
		}
		i := slices.IndexFunc(r.Files, func(w Written) bool { return w.Path == path })
		if i < 0 {
			r.Files = append(r.Files, Written{Path: path, Digest: sum})
			continue
		}
		r.Files[i].Digest = sum
	}
	r.Version, r.By, r.At = version, by, time.Now().UTC()
	return r.write(dir)
}
