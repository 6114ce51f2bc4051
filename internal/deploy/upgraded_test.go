package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestUpgraded(t *testing.T) {
	dir := t.TempDir()
	if err := Upgraded(dir, "1.1", "test"); err != nil {
		t.Errorf("a folder without a record: %v", err)
	}
	file, other, edited := filepath.Join(dir, "10-image.conf"), filepath.Join(dir, "new.conf"), filepath.Join(dir, ".env")
	for path, text := range map[string]string{file: "new", other: "other", edited: "new, and mine"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := Record{State: Deployed, Site: Site{Mode: Quadlet, Version: "1.0"}, Files: []Written{{file, digest("old")}, {edited, digest("old")}}, By: "1.0"}
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	if err := Upgraded(dir, "1.1", "1.1", Exchanged{file, "old", "new"}, Exchanged{other, "", "other"},
		Exchanged{edited, "old, and mine", "new, and mine"}, Exchanged{Path: filepath.Join(dir, "gone")}); err != nil {
		t.Fatal(err)
	}
	got, err := ReadRecord(dir)
	if err != nil || got.Version != "1.1" || got.By != "1.1" || got.State != Deployed {
		t.Errorf("%+v, %v", got, err)
	}
	want := []Written{{file, digest("new")}, {edited, digest("old")}, {other, digest("other")}} // the edited one still looks edited
	if !slices.Equal(got.Files, want) {
		t.Errorf("%+v", got.Files)
	}
}
