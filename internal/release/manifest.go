package release

import (
	"fmt"
	"slices"
	"strings"

	"bty/internal/catalog"
)

// checkManifest proves files by a sha256sum file. It must list all of them, in any order, and
// nothing else but itself: a set of which one file goes unproven is no set.
func checkManifest(manifest []byte, own string, files []Stored) error {
	listed, err := catalog.ParseDigests(manifest)
	if err != nil {
		return err
	}
	for _, file := range files {
		digest, ok := listed[file.Name]
		switch {
		case !ok:
			return fmt.Errorf("%s does not list %s, so that nobody can prove it", own, file.Name)
		case digest.String() != file.SHA256:
			return &mismatch{file.Name, fmt.Errorf("%s has the SHA-256 %s, %s lists %s", file.Name, file.SHA256, own, digest)}
		}
		delete(listed, file.Name)
	}
	delete(listed, own)
	if len(listed) == 0 {
		return nil
	}
	var others []string
	for name := range listed {
		others = append(others, name)
	}
	slices.Sort(others)
	return fmt.Errorf("%s lists files that are not of this set: %.200s", own, strings.Join(others, ", "))
}

// mismatch is a file whose bytes are not those that were published.
type mismatch struct {
	name string
	error
}
