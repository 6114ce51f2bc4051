package upgrade

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bty/compose"
	"bty/internal/build"
	"bty/internal/deploy"
)

// The file of a project goes with the release, unless somebody has edited it, or this bty-lab is of another.
func TestProjectFile(t *testing.T) {
	shipped, err := fs.ReadFile(compose.Files, projectFile)
	if err != nil {
		t.Fatal(err)
	}
	const before = "name: bty\nservices:\n  bty-web:\n    image: localhost/bty-web:latest\n"
	for name, c := range map[string]struct {
		now, recorded, to string
		next              string
		edited            string
	}{
		"as it was deployed":                   {before, before, build.Tag(build.Version), string(shipped), ""},
		"edited":                               {before + "x-mine: 1\n", before, build.Tag(build.Version), "", "lines that it has not: "},
		"by hand":                              {before, "", build.Tag(build.Version), "", "compose.override.yml"},
		"the release's already":                {string(shipped), before, build.Tag(build.Version), "", ""},
		"edited, and has all of the release's": {string(shipped) + "x-mine: 1\n", before, build.Tag(build.Version), "", "It has all lines"},
		"a release of another bty-lab":         {before, before, "9.9", "", ""},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, projectFile)
		if err := os.WriteFile(path, []byte(c.now), 0o644); err != nil {
			t.Fatal(err)
		}
		if c.recorded != "" {
			record := `{"format":1,"state":"deployed","mode":"compose","address":"192.0.2.9","version":"1","by":"1","at":"2026-01-02T03:04:05Z","files":[{"path":"` + path + `","sha256":"` + digest([]byte(c.recorded)) + `"}]}`
			if err := os.WriteFile(deploy.RecordPath(dir), []byte(record), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		text, err := readProjectFile(dir, c.to)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var look Look
		text.tell(&look)
		said := ""
		if len(look.Edited) > 0 {
			said = look.Edited[0].Fate
		}
		if text.Next != c.next || (c.next != "") != (text.Old == c.now) || (said == "") != (c.edited == "") || len(look.Changes) != map[bool]int{true: 1}[c.next != ""] {
			t.Errorf("%s: %d bytes for %d, said: %q", name, len(text.Next), len(text.Old), said)
		}
		if !strings.Contains(said, c.edited) {
			t.Errorf("%s: %q", name, said)
		}
	}
}

// Only what means something is missing: no comment, no blank line, each line once and a few of many.
func TestLacking(t *testing.T) {
	for _, c := range []struct{ now, next, want string }{
		{"a\nb\n", "# why\n\n  b\na\n", "It has all lines of the new release's"},
		{"a\n", "a\nb\n  b\nc\n", "The new release's has lines that it has not: b; c"},
		{"", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "The new release's has 9 lines that it has not: 1; 2; 3; 4; 5; 6; 7; 8; and so on"},
	} {
		if got := lacking(c.now, c.next); got != c.want {
			t.Errorf("%q, %q: %q", c.now, c.next, got)
		}
	}
}
