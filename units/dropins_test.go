package units_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// withDropIn puts a drop-in beside staged units, and returns the unit's path.
func withDropIn(t *testing.T, path string) string {
	t.Helper()
	dir, _ := staged(t)
	folder := filepath.Base(filepath.Dir(path))
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, folder), 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, folder, filepath.Base(path)), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, strings.TrimSuffix(folder, ".d"))
}

var since = regexp.MustCompile(`-([0-9]{3})\.conf$`)

// A drop-in is understood by the systemd that its name says, or by the floor.
func TestSystemdUnderstandsTheDropIns(t *testing.T) {
	paths, _ := filepath.Glob("dropins/*.d/*.conf")
	if len(paths) == 0 {
		t.Fatal("no drop-ins")
	}
	readme, err := os.ReadFile("dropins/README")
	if err != nil {
		t.Fatal(err)
	}
	have, err := strconv.Atoi(systemdVersion(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if name := strings.TrimPrefix(path, "dropins/"); !strings.Contains(string(readme), "\n"+name+" ") {
			t.Errorf("dropins/README does not tell of %s", name)
		}
		out, err := analyze(t, "verify", "--man=no", withDropIn(t, path))
		need := 0
		if m := since.FindStringSubmatch(path); m != nil {
			need, _ = strconv.Atoi(m[1])
		}
		if understood := err == nil && out == ""; understood != (have >= need) {
			t.Errorf("%s on systemd %d: %v\n%s", path, have, err, out)
		}
	}
}

// With a single port bty-tftp needs no network.
func TestExposureWithASinglePort(t *testing.T) {
	unit := withDropIn(t, "dropins/bty-tftp.service.d/single-port.conf")
	if err := committed(t).Check("bty-tftp.service with single-port.conf", systemdVersion(t), measure(t, unit)); err != nil {
		t.Error(err)
	}
}
