package docs

import (
	"os"
	"strings"
	"testing"
)

// TestDependencies compares dependencies.md with the modules that go.mod requires directly.
func TestDependencies(t *testing.T) {
	page, err := os.ReadFile("dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	required := map[string]bool{}
	for line := range strings.Lines(string(mod)) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) < 2 || !strings.Contains(fields[0], ".") || strings.Contains(line, "// indirect") {
			continue
		}
		required[fields[0]] = true
		if !strings.Contains(string(page), "`"+fields[0]+"`") {
			t.Errorf("go.mod requires %s, which dependencies.md does not explain", fields[0])
		}
	}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, "`"); strings.HasPrefix(line, "| `") && !required[cells[1]] {
			t.Errorf("dependencies.md explains %s, which go.mod does not require directly", cells[1])
		}
	}
}
