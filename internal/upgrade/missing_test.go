package upgrade

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A way back brings a file of the site's back that the new release took away, and none that somebody has deleted
// since: it is named, and where it is kept.
func TestDeletedStaysDeleted(t *testing.T) {
	for _, fails := range []bool{false, true} {
		f := newFake(t)
		for _, name := range []string{"etc/moved.toml", "etc/password"} {
			if err := os.MkdirAll(filepath.Dir(f.file(name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(f.file(name), []byte(name), 0o640); err != nil {
				t.Fatal(err)
			}
		}
		f.takes, f.broken["1.1"] = "etc/moved.toml", fails
		_, err := f.upgrade("").Run(t.Context())
		if _, back := errors.AsType[*WentBack](err); back != fails {
			t.Fatal(err)
		}
		if !fails {
			if err := os.Remove(f.file("etc/password")); err != nil {
				t.Fatal(err)
			}
			u := f.upgrade("")
			u.Yes = true
			if _, err := u.Back(t.Context()); err != nil {
				t.Fatal(err)
			}
			said := strings.Join(f.told, "\n")
			kept := filepath.Join(f.snapshots()[0], treeName, f.file("etc/password"))
			if !strings.Contains(said, f.file("etc/password")+" was deleted since the upgrade, and stays so; as it was it is "+kept) || strings.Contains(said, "moved.toml was deleted") {
				t.Errorf("it says:\n%s", said)
			}
			if _, err := os.Stat(kept); err != nil {
				t.Error(err)
			}
		}
		if info, err := os.Stat(f.file("etc/moved.toml")); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("what the release took away: %v, %v", info, err)
		}
		if _, err := os.Stat(f.file("etc/password")); os.IsNotExist(err) == fails {
			t.Errorf("what was deleted since: %v", err)
		}
	}
}

// Cut off and taken up, a switch counts once: what somebody deletes between is not what the release took away.
func TestDeletedBetweenRuns(t *testing.T) {
	f := newFake(t)
	if err := os.MkdirAll(f.file("etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.file("etc/password"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.killedIn(f.upgrade("[4/5]").Run)
	if err := os.Remove(f.file("etc/password")); err != nil {
		t.Fatal(err)
	}
	f.broken["1.1"] = true
	if _, err := f.upgrade("").Run(t.Context()); !errors.As(err, new(*WentBack)) {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.file("etc/password")); !os.IsNotExist(err) {
		t.Errorf("it came back: %v", err)
	}
}
