package upgrade

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bty/compose"
	"bty/internal/build"
	"bty/internal/deploy"
)

// projectText is a compose.yml under either release; both are empty where it stays.
type projectText struct {
	Old, Next string
	edited    *Edited
}

// readProjectFile compares a project's compose.yml with the new release's, which is this bty-lab's if that is
// of the release. What somebody has edited since it was deployed stays.
func readProjectFile(dir, to string) (text projectText, err error) {
	path := filepath.Join(dir, projectFile)
	now, err := os.ReadFile(path)
	if err != nil || to != build.Tag(build.Version) {
		return text, err
	}
	next, err := fs.ReadFile(compose.Files, projectFile)
	if err != nil || string(next) == string(now) {
		return text, err
	}
	record, err := deploy.ReadRecord(dir)
	if err != nil {
		return text, err
	}
	if record != nil && slices.ContainsFunc(record.Files, func(w deploy.Written) bool { return w.Path == path && w.Digest == digest(now) }) {
		return projectText{Old: string(now), Next: string(next)}, nil
	}
	text.edited = &Edited{path, "stays as it is, because it was edited or written by hand; a compose.override.yml keeps an edit apart. " + lacking(string(now), string(next))}
	return text, nil
}

// tell says what becomes of the file.
func (t projectText) tell(look *Look) {
	if t.Next != "" {
		look.Changes = append(look.Changes, Change{"changed", projectFile})
	}
	if t.edited != nil {
		look.Edited = append(look.Edited, *t.edited)
	}
}

// lacking says which lines of the new release's file another has not.
func lacking(now, next string) string {
	have := map[string]bool{"": true}
	for line := range strings.Lines(now) {
		have[meaning(line)] = true
	}
	var missing []string
	for line := range strings.Lines(next) {
		if said := meaning(line); !have[said] {
			have[said] = true
			missing = append(missing, said)
		}
	}
	const most = 8
	switch n := len(missing); {
	case n == 0:
		return "It has all lines of the new release's"
	case n > most:
		return fmt.Sprintf("The new release's has %d lines that it has not: %s; and so on", n, strings.Join(missing[:most], "; "))
	default:
		return "The new release's has lines that it has not: " + strings.Join(missing, "; ")
	}
}

// meaning is a line without what is only for people.
func meaning(line string) string {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") {
		return ""
	}
	return line
}
