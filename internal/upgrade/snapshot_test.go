package upgrade

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bty/internal/deploy"
)

// sparse makes a file that claims to be large.
func sparse(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// Backups and boot files are left out whatever their folders are called; the database and its copies are.
func TestEachFile(t *testing.T) {
	state := t.TempDir()
	for _, name := range []string{"bty.toml", "session-secret", "bty.db", "bty.db.schema3", "boot/ipxe.efi", "backups/1/bty.db", "logs/a", "copies/1/bty.db", "nbp/ipxe.efi", "copies.txt", "more/a.toml"} {
		sparse(t, filepath.Join(state, name), 1)
	}
	var seen []string
	look := Look{State: state, Apart: []string{state + "/nbp/", state + "/copies", "/srv/elsewhere"}}
	if err := eachFile(look, func(path string, _ fs.FileInfo) error {
		seen = append(seen, strings.TrimPrefix(path, state+"/"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"bty.toml", "copies.txt", "more/a.toml", "session-secret"}; !slices.Equal(seen, want) {
		t.Errorf("%q, want %q", seen, want)
	}
}

// What is too large is refused with what can be done about it, before anything is touched.
func TestTooLargeForConfiguration(t *testing.T) {
	f := newFake(t)
	large := f.file("state/copies/old.db")
	sparse(t, large, maxFile+1)
	_, err := f.upgrade("").Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "nothing was changed") || !strings.Contains(err.Error(), large+" is not taken for configuration: it has 16.0 MiB") ||
		!strings.Contains(err.Error(), "[paths] backup_dir and boot_dir") || !strings.Contains(err.Error(), "mv "+large) || f.inPlace() != "1.0" {
		t.Errorf("%v", err)
	}
	f.apart = []string{f.file("state/copies")}
	if out, err := f.upgrade("").Run(t.Context()); err != nil || out.Phase != Upgraded {
		t.Errorf("%+v, %v", out, err)
	}
	for path, want := range map[string]string{"/etc/x": "mv /etc/x", f.file("state/x"): "5000 files come before it"} {
		if err := notConfiguration(path, 1, Look{State: f.file("state")}); !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "backup_dir") != strings.Contains(path, "state") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A container's folders are seen where this host has its volume.
func TestApartInAVolume(t *testing.T) {
	state := t.TempDir()
	if err := os.WriteFile(filepath.Join(state, "bty.toml"), []byte("[paths]\nboot_dir = \"/var/lib/bty/nbp\"\nbackup_dir = \"/srv/backups\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	apart, err := checkConfig(state, deploy.Site{})
	if want := []string{state + "/nbp", "/srv/backups"}; err != nil || !slices.Equal(apart, want) {
		t.Errorf("%q, %v; want %q", apart, err, want)
	}
}
