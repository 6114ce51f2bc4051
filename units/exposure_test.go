package units_test

import (
	"path/filepath"
	"strconv"
	"testing"

	"bty/internal/testenv/exposure"
)

func committed(t *testing.T) exposure.Table {
	t.Helper()
	table, err := exposure.Read("../docs/systemd.md")
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// measure is what the installed systemd says of a unit file.
func measure(t *testing.T, path string) string {
	t.Helper()
	out, err := analyze(t, "security", "--offline=true", "--no-pager", path)
	if err != nil {
		t.Fatalf("%s: %v\n%s", path, err, out)
	}
	level, err := exposure.Parse(out)
	if err != nil {
		t.Fatal(err)
	}
	return level
}

func systemdVersion(t *testing.T) string {
	t.Helper()
	out, err := analyze(t, "--version")
	if err != nil {
		t.Fatal(err)
	}
	version, err := exposure.Version(out)
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// The same on Debian 12 and 13: internal/testenv/systemd.
func TestExposure(t *testing.T) {
	dir, _ := staged(t)
	table, version := committed(t), systemdVersion(t)
	for unit := range read(t, "*.service") {
		if err := table.Check(unit, version, measure(t, filepath.Join(dir, unit))); err != nil {
			t.Error(err)
		}
	}
}

// What we promise, whatever the table says.
func TestExposureIsLow(t *testing.T) {
	promised := map[string]float64{"bty-sniff.service": 0.3, "bty-tftp.service": 1.0, "bty-web.service": 1.1, "bty-cache.service": 1.1, "bty-backup.service": 0.3,
		"bty-tftp.service with single-port.conf": 0.3}
	for unit, row := range committed(t).Rows {
		limit, ok := promised[unit]
		for _, cell := range row {
			if got, err := strconv.ParseFloat(cell, 64); err != nil || !ok || got > limit {
				t.Errorf("%s: %s, promised %v (%v, %v)", unit, cell, limit, ok, err)
			}
		}
	}
}
