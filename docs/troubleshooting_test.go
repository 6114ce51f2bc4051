package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var messageID = regexp.MustCompile(`MESSAGE_ID=([0-9a-f]{32})`)

// TestMessageIDs holds each class of line that a document sends readers to against journal.md: the
// number is a class's, and beside it stands the line.
func TestMessageIDs(t *testing.T) {
	lines := journalLines(t)
	all, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range all {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for at := range strings.Lines(string(text)) {
			for _, m := range messageID.FindAllStringSubmatch(at, -1) {
				found++
				if line, known := lines[m[1]]; !known {
					t.Errorf("%s: journal.md has no class %s", name, m[1])
				} else if name == "troubleshooting.md" && !strings.Contains(at, line) {
					t.Errorf("%s: the line of %s is %q: %s", name, m[1], line, at)
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d numbers were found", found)
	}
}

// journalLines are the lines by their numbers.
func journalLines(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("journal.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([0-9a-f]{32})` \\| (.*?) \\|").FindAllStringSubmatch(string(text), -1) {
		lines[m[1]] = m[2]
	}
	return lines
}
