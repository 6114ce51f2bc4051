package deploy

import (
	"os"
	"path/filepath"
	"testing"
)

func TestUpgraded(t *testing.T) {
	dir := t.TempDir()
	if err := Upgraded(dir, "1.1", "test"); err != nil {
		t.Errorf("a folder without a record: %v", err)
	}
	file, other := filepath.Join(dir, "10-image.conf"), filepath.Join(dir, "new.conf")
	for path, text := range map[string]string{file: "new", other: "other"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := Record{State: Deployed, Site: Site{Mode: Quadlet, Version: "1.0"}, Files: []Written{{file, digest("old")}}, By: "1.0"}
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	if err := Upgraded(dir, "1.1", "1.1", file, other, filepath.Join(dir, "gone")); err != nil {
		t.Fatal(err)
	}
	got, err := ReadRecord(dir)
	if err != nil || got.Version != "1.1" || got.By != "1.1" || got.State != Deployed {
		t.Errorf("%+v, %v", got, err)
	}
	if len(got.Files) != 2 || got.Files[0] != (Written{file, digest("new")}) || got.Files[1] != (Written{other, digest("other")}) {
		t.Errorf("%+v", got.Files)
	}
}
