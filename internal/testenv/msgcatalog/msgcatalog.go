// Package msgcatalog reads the file that explains the journal's lines, for tests that compare it
// with what the program says.
package msgcatalog

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Path is the file, from the repository's root.
const Path = "units/catalog/bty.catalog"

// Entry explains one class of lines.
type Entry struct {
	ID, Subject, DefinedBy, Documentation string
	Text                                  string
	Fields                                []string // what is put between two @: BTY_MAC
}

// WhatToDo begins the part of an entry that names the way out.
const WhatToDo = "\nWhat to do: "

var (
	header = regexp.MustCompile(`^-- ([0-9a-f]{32})$`)
	field  = regexp.MustCompile(`@([A-Z0-9_]+)@`)
)

// Read returns the entries in their order.
func Read(path string) ([]Entry, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	inHead := false
	for n, line := range strings.Split(string(b), "\n") {
		m := header.FindStringSubmatch(line)
		switch {
		case m != nil:
			entries, inHead = append(entries, Entry{ID: m[1]}), true
		case strings.HasPrefix(line, "#"), len(entries) == 0:
		case inHead && line == "":
			inHead = false
		case inHead:
			if err := entries[len(entries)-1].set(line); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", path, n+1, err)
			}
		default:
			entries[len(entries)-1].Text += line + "\n"
		}
	}
	for i := range entries {
		entries[i].find()
	}
	return entries, nil
}

func (e *Entry) set(line string) error {
	name, value, _ := strings.Cut(line, ": ")
	to, ok := map[string]*string{"Subject": &e.Subject, "Defined-By": &e.DefinedBy, "Documentation": &e.Documentation}[name]
	if !ok || *to != "" || value == "" {
		return fmt.Errorf("the header line %q", line)
	}
	*to = value
	return nil
}

func (e *Entry) find() {
	e.Text = "\n" + strings.TrimSpace(e.Text) + "\n"
	for _, m := range field.FindAllStringSubmatch(e.Subject+e.Text, -1) {
		e.Fields = append(e.Fields, m[1])
	}
}
