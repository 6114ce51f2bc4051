// Package docs holds the tests that keep the documentation true.
package docs

import (
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// room is one package's row in architecture.md.
type room struct {
	floor   int
	imports []string
}

var floors = []string{"ground", "first", "second", "third", "roof", "tests"}

// TestArchitecture compares the table of rooms with what the packages import.
func TestArchitecture(t *testing.T) {
	rooms := readRooms(t)
	built := map[string]bool{}
	for pkg, imports := range listImports(t) {
		name := roomOf(pkg)
		built[name] = true
		here, ok := rooms[name]
		if !ok {
			t.Errorf("package %s has no row in architecture.md", pkg)
			continue
		}
		for _, imported := range imports {
			if to := roomOf(imported); to != name && !allowed(rooms, here, to) {
				t.Errorf("%s imports %s, which its row in architecture.md does not name", pkg, imported)
			}
		}
	}
	for name := range rooms {
		if !built[name] {
			t.Errorf("architecture.md has a row for %s, which does not exist", name)
		}
	}
}

func allowed(rooms map[string]room, from room, to string) bool {
	target, known := rooms[to]
	if !known || target.floor > from.floor {
		return false
	}
	for _, named := range from.imports {
		if named == to || named == "any" || named == "second floor" && target.floor <= 2 {
			return true
		}
	}
	return to == "build" // the version is anybody's
}

// roomOf is the top folder of a package under internal.
func roomOf(pkg string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(pkg, "bty/internal/"), "/")
	return name
}

func readRooms(t *testing.T) map[string]room {
	t.Helper()
	text, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	rooms := map[string]room{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 {
			continue
		}
		floor := slices.Index(floors, strings.TrimSpace(cells[1]))
		if floor < 0 {
			continue
		}
		for name := range strings.SplitSeq(cells[2], ",") {
			rooms[strings.Trim(name, " `")] = room{floor, fields(cells[4])}
		}
	}
	if len(rooms) < 20 {
		t.Fatalf("read only %d rooms from architecture.md: %v", len(rooms), slices.Sorted(maps.Keys(rooms)))
	}
	return rooms
}

func fields(cell string) []string {
	var named []string
	for name := range strings.SplitSeq(cell, ",") {
		if name = strings.TrimSpace(name); name != "-" {
			named = append(named, name)
		}
	}
	return named
}

func listImports(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "bty/internal/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	imports := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		imports[words[0]] = nil
		for _, imported := range words[1:] {
			if strings.HasPrefix(imported, "bty/internal/") {
				imports[words[0]] = append(imports[words[0]], imported)
			}
		}
	}
	return imports
}
