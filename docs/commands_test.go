package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bty/internal/testenv/guide"
)

// worlds are those in which commands run, with the test that does it.
var worlds = map[string]string{
	"api":        "internal/testenv/guide TestAPI",
	"containers": "internal/testenv/containers TestGuideContainers",
	"bare":       "internal/testenv/systemd TestGuideBare",
	"host":       "internal/testenv/systemd TestGuideHost",
	"packaged":   "internal/testenv/systemd TestGuideHost",
	"previous":   "internal/testenv/containers TestGuidePrevious",

	"previous-compose": "internal/testenv/containers TestGuidePreviousCompose",
	"rootless":         "internal/testenv/containers TestGuideRootless",

	"upgrade":          "internal/testenv/systemd TestUpgradeKilled",
	"upgrade-by-hand":  "internal/testenv/containers TestUpgradeContainers",
	"upgrade-cut-off":  "internal/testenv/systemd TestUpgradeKilled",
	"upgrade-deployed": "internal/testenv/containers TestUpgradeDeployed",
}

// TestEveryBlockIsMarked sees to it that no block of commands is left out by an oversight: it runs,
// in a world that there is, or the document says why it does not. docs/tests.md has the count.
func TestEveryBlockIsMarked(t *testing.T) {
	documents, err := guide.Documents("..")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, path := range documents {
		name, err := filepath.Rel("..", path)
		if err != nil {
			t.Fatal(err)
		}
		blocks, err := guide.Read(path)
		if err != nil {
			t.Error(err)
			continue
		}
		indented(t, path)
		if row := count(t, name, blocks); row != "" {
			rows = append(rows, row)
		}
	}
	compare(t, rows)
}

// count is a document's row, "" for one without commands.
func count(t *testing.T, name string, blocks []guide.Block) string {
	t.Helper()
	run, shown := 0, 0
	for _, b := range blocks {
		switch {
		case b.World != "" && worlds[b.World] == "":
			t.Errorf("%s runs in %q, and there is no such world", b, b.World)
		case b.World != "":
			run++
		case b.NotRun != "":
			shown++
		case b.Language == "sh" || b.Language == "":
			t.Errorf("%s: the block neither runs nor says why it does not", b)
		}
	}
	if run+shown == 0 {
		return ""
	}
	return fmt.Sprintf("| `%s` | %d | %d |", name, run, shown)
}

// indented finds blocks that are code by their indentation alone: what they are nobody can mark.
func indented(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	inside, before := false, ""
	for n, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inside = !inside
		}
		if !inside && before == "" && strings.HasPrefix(line, "    ") {
			t.Errorf("%s:%d: an indented block; fence it, and say whether it runs", path, n+1)
		}
		before = strings.TrimSpace(line)
	}
}

// compare holds the rows against docs/tests.md.
func compare(t *testing.T, rows []string) {
	t.Helper()
	path := "tests.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "| document | blocks that run | shown only |\n|---|---|---|\n" + strings.Join(rows, "\n") + "\n"
	if !strings.Contains(string(text), want) {
		t.Errorf("docs/tests.md does not have the table of commands as it is:\n%s", want)
	}
	for world, test := range worlds {
		if !strings.Contains(string(text), "| `"+world+"` |") || !strings.Contains(string(text), "`"+test+"`") {
			t.Errorf("docs/tests.md does not name the world %q with its test %s", world, test)
		}
	}
}
