package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var namedTest = regexp.MustCompile("`(?:([a-z0-9/-]+) )?((?:Test|Benchmark)[A-Za-z0-9]+)`")

// TestSystemd holds the table of what holds under systemd against the tests that there are: each row
// that claims something names a test, and each test that is named exists.
func TestSystemd(t *testing.T) {
	text, err := os.ReadFile("systemd.md")
	if err != nil {
		t.Fatal(err)
	}
	next := 1
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		n, err := strconv.Atoi(strings.TrimSpace(cells[0]))
		if err != nil {
			continue
		}
		if n != next || len(cells) != 4 {
			t.Errorf("row %d with %d cells, want row %d with 4", n, len(cells), next)
		}
		next++
		tests := namedTest.FindAllStringSubmatch(line, -1)
		if claim := strings.TrimSpace(cells[2]); len(tests) == 0 && !strings.HasPrefix(claim, "no") && !strings.HasPrefix(claim, "does not apply") && !strings.HasPrefix(claim, "in part") {
			t.Errorf("%d names no test", n)
		}
		for _, m := range tests {
			if !hasTest(t, m[1], m[2]) {
				t.Errorf("%d: there is no %s %s", n, m[1], m[2])
			}
		}
	}
	if next != 61 {
		t.Errorf("the table ends before %d", next)
	}
}

// hasTest looks for a test in a package; "" is the one that boots systemd.
func hasTest(t *testing.T, pkg, name string) bool {
	t.Helper()
	if pkg == "" {
		pkg = "internal/testenv/systemd"
	}
	files, err := filepath.Glob(filepath.Join("..", pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
