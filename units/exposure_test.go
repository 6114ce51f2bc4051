package units_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// exposures is the table of docs/systemd.md: what systemd-analyze says of each service, by version.
type exposures struct {
	versions []string
	rows     map[string][]string
}

func committed(t *testing.T) exposures {
	t.Helper()
	text, err := os.ReadFile("../docs/systemd.md")
	if err != nil {
		t.Fatal(err)
	}
	table := exposures{rows: make(map[string][]string)}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "| "), " | ")
		switch {
		case cells[0] == "exposure":
			table.versions = cells[1:]
		case table.versions != nil && strings.HasPrefix(cells[0], "`bty-") && len(cells) == len(table.versions)+1:
			table.rows[strings.Trim(cells[0], "`")] = cells[1:]
		}
	}
	if table.versions == nil {
		t.Fatal(`docs/systemd.md has no table whose first cell is "exposure"`)
	}
	return table
}

// limit is the committed exposure on a version; on one that is not in the table, the worst there is.
func (e exposures) limit(unit, version string) (worst string, exact bool) {
	row := e.rows[unit]
	if i := slices.Index(e.versions, version); i >= 0 && row != nil {
		return row[i], true
	}
	if row == nil {
		return "", false
	}
	return slices.Max(row), false
}

var overall = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

// exposure is what the installed systemd says of a unit file.
func exposure(t *testing.T, path string) string {
	t.Helper()
	out, err := analyze(t, "security", "--offline=true", "--no-pager", path)
	found := overall.FindStringSubmatch(out)
	if err != nil || found == nil {
		t.Fatalf("%s: %v\n%s", path, err, out)
	}
	return found[1]
}

func systemdVersion(t *testing.T) string {
	t.Helper()
	out, err := analyze(t, "--version")
	words := strings.Fields(out)
	if err != nil || len(words) < 2 {
		t.Fatalf("systemd-analyze --version: %v\n%s", err, out)
	}
	return words[1]
}

// The table is exact on the versions it names: what is better must be written down, so that it
// cannot get worse again unseen.
func TestExposure(t *testing.T) {
	dir, _ := staged(t)
	table, version := committed(t), systemdVersion(t)
	for unit := range read(t, "*.service") {
		limit, exact := table.limit(unit, version)
		got := exposure(t, filepath.Join(dir, unit))
		switch {
		case limit == "":
			t.Errorf("%s is not in the table of docs/systemd.md; on systemd %s it is %s", unit, version, got)
		case exact && got != limit, !exact && number(t, got) > number(t, limit):
			t.Errorf("%s: exposure %s on systemd %s, and docs/systemd.md says %s", unit, got, version, limit)
		}
	}
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What we promise, whatever the table says.
func TestExposureIsLow(t *testing.T) {
	promised := map[string]float64{"bty-sniff.service": 0.3, "bty-tftp.service": 1.0, "bty-web.service": 1.1, "bty-backup.service": 0.3,
		"bty-tftp.service with single-port.conf": 0.3}
	for unit, row := range committed(t).rows {
		limit, ok := promised[unit]
		for _, cell := range row {
			if !ok || number(t, cell) > limit {
				t.Errorf("%s: %s, promised %v (%v)", unit, cell, limit, ok)
			}
		}
	}
}
