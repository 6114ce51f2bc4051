package upgrade

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// The state folder is the daemon's, and root writes there: a link that a daemon put there leads root nowhere.
func TestNoLinkIsFollowed(t *testing.T) {
	state, elsewhere := t.TempDir(), t.TempDir()
	host, from, place := filepath.Join(elsewhere, "passwd"), filepath.Join(elsewhere, "kept"), filepath.Join(state, "bty.toml")
	err := errors.Join(os.WriteFile(host, []byte("the host's"), 0o600), os.WriteFile(from, []byte("kept"), 0o640),
		os.Symlink(host, place+".part"), os.Symlink(elsewhere, filepath.Join(state, "more")), os.Symlink("/nowhere", filepath.Join(state, "gone")))
	if err != nil {
		t.Fatal(err)
	}
	if err := putIn(t.Context(), from, place, state); err != nil {
		t.Error(err)
	}
	if _, err := copyFile(t.Context(), from, place); err != nil { // over one that is there
		t.Error(err)
	}
	if info, err := os.Lstat(place); err != nil || info.Mode() != 0o640 {
		t.Errorf("%v, %v", info, err)
	}
	if is, err := os.ReadFile(host); err != nil || string(is) != "the host's" {
		t.Errorf("a file of the host became %q, %v", is, err)
	}
	for _, name := range []string{"more/evil.service", "more/deeper/evil.service", "gone/a"} {
		if err := putIn(t.Context(), from, filepath.Join(state, name), state); err == nil {
			t.Errorf("%s was put there", name)
		}
	}
	if left, err := os.ReadDir(elsewhere); err != nil || len(left) != 2 {
		t.Errorf("%v, %v", left, err)
	}
}

// Configuration is root's, or the user's who upgrades, and may lie behind a link: /home, for one.
func TestConfigurationBehindALink(t *testing.T) {
	top := t.TempDir()
	link, from := filepath.Join(top, "home"), filepath.Join(top, "kept")
	if err := errors.Join(os.Mkdir(filepath.Join(top, "data"), 0o700), os.Symlink(filepath.Join(top, "data"), link), os.WriteFile(from, []byte("kept"), 0o640)); err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(link, "lab", "bty", "bty.toml")
	if err := putIn(t.Context(), from, place, filepath.Join(top, "state")); err != nil {
		t.Fatal(err)
	}
	if is, err := os.ReadFile(place); err != nil || string(is) != "kept" {
		t.Errorf("%q, %v", is, err)
	}
}
