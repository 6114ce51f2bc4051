package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bty/internal/disk"
)

// write makes a file of a test and returns its path.
func write(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The whole way by keyboard: catalog, image, disk, the word, the flash, the end. The letter case of
// what is typed is kept, which once it was not.
func TestWizard(t *testing.T) {
	t.Parallel()
	data := image(6 * mib)
	published := zstded(t, data)
	web := serve(t, published)
	dir := filepath.Join(t.TempDir(), "Upper Case")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	catalog := write(t, filepath.Join(dir, "Catalog.TOML"), []byte(`version = 1
[[images]]
name = "an image, rolling"
src = "`+web+`/B/Token/a%20name"
format = "img.zst"
sha256 = "`+hexSum(published)+`"
`))
	for _, kind := range []string{"vt100", "linux", "tmux-256color"} {
		target, file := loopDisk(t, 8*mib, "S-1")
		s := terminal{kind: kind, width: 80, height: 24, disks: []disk.Device{target}}.open(t)
		s.See("Where are the images?", "Another catalog")
		s.Keys("Down", "Enter")
		s.See("The URL of a catalog.toml")
		s.Type(catalog)
		s.Keys("Enter")
		s.See("an image, rolling", "img.zst")
		s.Keys("Enter")
		s.See("serial S-1", "Loop", "8M")
		s.Keys("Enter")
		s.See("Everything on this disk will be lost", "model   Loop", "serial  S-1", "8M", "SHA-256 will be checked")
		s.See("verify  no", "grow    no")
		s.Keys("C-v", "C-g")
		s.See("verify  yes", "grow    yes")
		s.Type("y")
		s.Keys("Enter")
		s.See("Not yes: nothing was written")
		s.Type("yes")
		s.Keys("Enter")
		s.See("an image, rolling is on "+target.Path, "its SHA-256 is the declared", "The disk was read back and holds what was written", "> Put this image on another disk")
		s.Keys("End")
		s.See("> Reboot this machine")
		wantOnDisk(t, file, data)
		s.Keys("Enter")
		if status := s.ended(); status != "0" || !strings.Contains(s.Shown(), "REBOOTED") {
			t.Errorf("%s: status %s\n%s", kind, status, s.Shown())
		}
	}
}
