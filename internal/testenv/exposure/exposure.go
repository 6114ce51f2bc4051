// Package exposure reads what systemd-analyze security says, and what docs/systemd.md says that it
// says. Tests of both the build machine's systemd and those in containers compare the two.
package exposure

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Table is the table of docs/systemd.md: the exposure of each service, by version of systemd.
type Table struct {
	Versions []string
	Rows     map[string][]string
}

// Read reads the table from the file at path.
func Read(path string) (Table, error) {
	table := Table{Rows: make(map[string][]string)}
	text, err := os.ReadFile(path)
	if err != nil {
		return table, err
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "| "), " | ")
		switch {
		case cells[0] == "exposure":
			table.Versions = cells[1:]
		case table.Versions != nil && strings.HasPrefix(cells[0], "`bty-") && len(cells) == len(table.Versions)+1:
			table.Rows[strings.Trim(cells[0], "`")] = cells[1:]
		}
	}
	if table.Versions == nil {
		return table, fmt.Errorf(`%s has no table whose first cell is "exposure"`, path)
	}
	return table, nil
}

// Check holds what was measured against the table. It is exact on the versions that the table names:
// what is better must be written down, so that it cannot get worse again unseen. Any other version
// may not be worse than the worst.
func (t Table) Check(unit, version, measured string) error {
	row := t.Rows[unit]
	if row == nil {
		return fmt.Errorf("%s is not in the table of docs/systemd.md; on systemd %s it is %s", unit, version, measured)
	}
	if i := slices.Index(t.Versions, version); i >= 0 {
		if row[i] != measured {
			return fmt.Errorf("%s: exposure %s on systemd %s, and docs/systemd.md says %s", unit, measured, version, row[i])
		}
		return nil
	}
	got, err := strconv.ParseFloat(measured, 64)
	for _, cell := range row {
		if worst, err := strconv.ParseFloat(cell, 64); err == nil && got <= worst {
			return nil
		}
	}
	return fmt.Errorf("%s: exposure %s on systemd %s is worse than all of %v (%v)", unit, measured, version, row, err)
}

var overall = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

// Parse finds the level in what systemd-analyze security printed.
func Parse(out string) (string, error) {
	found := overall.FindStringSubmatch(out)
	if found == nil {
		return "", fmt.Errorf("no exposure level in %q", out)
	}
	return found[1], nil
}

// Version finds systemd's version in what systemd-analyze --version or systemctl --version printed.
func Version(out string) (string, error) {
	words := strings.Fields(out)
	if len(words) < 2 || words[0] != "systemd" {
		return "", fmt.Errorf("no version in %q", out)
	}
	return words[1], nil
}
