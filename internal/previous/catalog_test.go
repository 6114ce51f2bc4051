package previous

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bty/internal/testenv/oldstate"
)

// What withcache lists is added to what the database has: a source once, disk images alone.
func TestAddCatalog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "withcache")
	file := filepath.Join(dir, CatalogName)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, oldstate.Catalog(), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, dir} {
		s := read(t, oldstate.Make(t, oldstate.V65, oldstate.Site, oldstate.To77))
		if err := AddCatalog(s, path); err != nil {
			t.Fatal(err)
		}
		if len(s.Images) != 2 || s.Catalog != file || len(s.Lost) != 2 {
			t.Fatalf("%s: %q, %d images, lost %+v", path, s.Catalog, len(s.Images), s.Lost)
		}
		if e := s.Images[0]; e.Ref != "8901a5e57899d932786eeee7b6db93ec98a0e2c386cf3dc3541f2203a90f9dbe" || e.Arch != "arm64" || e.Size != 1024 || e.Digest != strings.Repeat("a", 64) || e.Format != "img.gz" {
			t.Errorf("%+v", e)
		}
		if e := s.Images[1]; e.Src != "oras://ghcr.io/safl/nosi/debian-sysdev:latest" || e.Digest != "" || e.ResolvedSrc != "" {
			t.Errorf("%+v", e)
		}
		if s.Lost[0].ID != "debian-sysdev-netboot" || !strings.Contains(s.Lost[0].Reason, "no disk image") || s.Lost[1].ID != "foo again" {
			t.Errorf("%+v", s.Lost)
		}
	}
	s := read(t, oldstate.Make(t, oldstate.V65, oldstate.Site))
	if err := AddCatalog(s, file); err != nil || len(s.Images) != 2 || s.Images[0].Description != "the foo" || s.Catalog != file {
		t.Errorf("beside a catalog of its own: %v %+v", err, s.Images)
	}
	if got := Beside(filepath.Join(filepath.Dir(dir), "bty", Name)); got != file {
		t.Errorf("beside the state folder is %q", got)
	}
	if got := Beside(filepath.Join(t.TempDir(), Name)); got != "" {
		t.Errorf("beside another folder is %q", got)
	}
}

func TestBadCatalogs(t *testing.T) {
	dir := t.TempDir()
	large, bad := filepath.Join(dir, "large.toml"), filepath.Join(dir, "bad.toml")
	for path, text := range map[string]string{large: "", bad: "version = 2\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(large, maxCatalog+1); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir: "give the catalog.toml of withcache, or its data folder", filepath.Join(dir, "none"): "give the catalog.toml of withcache, or its data folder",
		large: "more than a catalog has", bad: "bad.toml: catalog version 2 is not known", "/dev/null": "is no file",
	} {
		s := read(t, oldstate.Make(t, oldstate.V65, oldstate.Site, oldstate.To77))
		if err := AddCatalog(s, path); err == nil || !strings.Contains(err.Error(), want) || len(s.Images) > 0 {
			t.Errorf("%s: %v, %d images", path, err, len(s.Images))
		}
	}
}

// What a catalog.toml says of growing and reading back goes along; one of the previous system says nothing.
func TestChoicesOfCatalog(t *testing.T) {
	file := filepath.Join(t.TempDir(), CatalogName)
	entry := func(name, more string) string {
		return "[[images]]\nname = \"" + name + "\"\nsrc = \"https://h/" + name + "\"\n" + more + "\n"
	}
	if err := os.WriteFile(file, []byte("version = 1\n"+entry("a.img", "grow = false\nverify = true")+entry("b.img", "")), 0o644); err != nil {
		t.Fatal(err)
	}
	s := read(t, oldstate.Make(t, oldstate.V65, oldstate.Site, oldstate.To77))
	if err := AddCatalog(s, file); err != nil || len(s.Images) != 2 {
		t.Fatalf("%v %+v", err, s.Images)
	}
	if a, b := s.Images[0], s.Images[1]; a.Grow == nil || *a.Grow || a.Verify == nil || !*a.Verify || b.Grow != nil || b.Verify != nil {
		t.Errorf("%+v, %+v", a, b)
	}
}
