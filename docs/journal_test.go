package docs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"bty/internal/testenv/msgcatalog"
)

// TestJournal compares the table of classes of journal.md with the catalog. UPDATE=1 writes it.
func TestJournal(t *testing.T) {
	entries, err := msgcatalog.Read("../" + msgcatalog.Path)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| `MESSAGE_ID` | line | asks for attention |\n|---|---|---|\n")
	for _, e := range entries {
		attention := ""
		if strings.Contains(e.Text, msgcatalog.WhatToDo) {
			attention = "yes"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", e.ID, strings.NewReplacer("@BTY_", "", "@", "").Replace(e.Subject), attention)
	}
	page, err := os.ReadFile("journal.md")
	if err != nil {
		t.Fatal(err)
	}
	const title = "## Classes\n\n"
	before, is, ok := strings.Cut(string(page), title)
	switch {
	case !ok:
		t.Fatalf("journal.md has no section %q", title)
	case is == table.String():
	case os.Getenv("UPDATE") != "":
		if err := os.WriteFile("journal.md", []byte(before+title+table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table of journal.md is not that of the catalog; write it with: UPDATE=1 go test ./docs")
	}
}
