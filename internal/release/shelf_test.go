package release

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"bty/internal/fault"
)

func newShelf(t testing.TB, dir string) *Shelf {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &Shelf{Root: root, Path: dir, Limit: 1000}
}

func list(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func content(t testing.TB, dir, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// put stages files and switches to them.
func put(s *Shelf, files map[string]string) error {
	staging, err := s.Stage()
	if err != nil {
		return err
	}
	for name, content := range files {
		if _, err := staging.Receive(name, strings.NewReader(content)); err != nil {
			return errors.Join(err, staging.Discard())
		}
	}
	return errors.Join(staging.Switch(), staging.Discard())
}

func TestSet(t *testing.T) {
	dir := t.TempDir()
	s := newShelf(t, dir)
	write(t, dir, map[string]string{"kernel": "old", "other": "stays"})
	staging, err := s.Stage()
	if err != nil {
		t.Fatal(err)
	}
	stored, err := staging.Receive("kernel", strings.NewReader("new"))
	sum := sha256.Sum256([]byte("new"))
	if err != nil || stored.Name != "kernel" || stored.Size != 3 || stored.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("%+v, %v", stored, err)
	}
	if _, err := staging.Receive("initrd", strings.NewReader("more")); err != nil {
		t.Fatal(err)
	}
	if got := content(t, dir, "kernel"); got != "old" {
		t.Errorf("before the switch: %s", got)
	}
	if err := errors.Join(staging.Switch(), staging.Discard()); err != nil {
		t.Fatal(err)
	}
	if got := list(t, dir); !slices.Equal(got, []string{"initrd", "kernel", "other"}) || content(t, dir, "kernel") != "new" {
		t.Errorf("%v", got)
	}
	if info, _ := os.Stat(filepath.Join(dir, "kernel")); info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v: bty-tftp runs as another user", info.Mode())
	}
}

func TestWhatIsNotStored(t *testing.T) {
	broken := errors.New("the line is cut")
	tests := []struct {
		name   string
		fill   func(*Staging) error
		kind   fault.Kind
		public string
	}{
		{"too large", func(g *Staging) error { return receive(g, "a", strings.Repeat("x", 1001)) }, fault.TooLarge, "Aborted at 1000 bytes"},
		{"no text", func(g *Staging) error { return receive(g, "a\xff", "") }, fault.Invalid, "no text"},
		{"two lines", func(g *Staging) error { return receive(g, "a\nb", "") }, fault.Invalid, "no text"},
		{"a folder", func(g *Staging) error { return receive(g, "a/b", "") }, fault.Invalid, "bare filename"},
		{"our own", func(g *Staging) error { return receive(g, planName, "") }, fault.Invalid, "keeps it for itself"},
		{"the list's name", func(g *Staging) error { return receive(g, "releases", "") }, fault.Invalid, "keeps it for itself"},
		{"a long name", func(g *Staging) error { return receive(g, strings.Repeat("x", 256), "") }, fault.Invalid, "too long"},
		{"twice", func(g *Staging) error { return errors.Join(receive(g, "a", ""), receive(g, "a", "")) }, fault.Invalid, "twice"},
		{"a cut", func(g *Staging) error {
			_, err := g.Receive("a", iotest.ErrReader(broken))
			if !errors.Is(err, broken) {
				return nil
			}
			return fault.Wrap(fault.Invalid, err, "cut")
		}, fault.Invalid, "cut"},
		{"over a folder", func(g *Staging) error { return errors.Join(receive(g, "a", ""), receive(g, "folder", ""), g.Switch()) }, fault.Conflict, "is a folder"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			s := newShelf(t, dir)
			write(t, dir, map[string]string{"a": "old"})
			if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
				t.Fatal(err)
			}
			staging, err := s.Stage()
			if err != nil {
				t.Fatal(err)
			}
			err = test.fill(staging)
			if fault.KindOf(err) != test.kind || !strings.Contains(fault.Public(err), test.public) {
				t.Errorf("%v", err)
			}
			if err := staging.Discard(); err != nil {
				t.Error(err)
			}
			if got := list(t, dir); !slices.Equal(got, []string{"a", "folder"}) || content(t, dir, "a") != "old" {
				t.Errorf("%v", got)
			}
		})
	}
}

func receive(g *Staging, name, content string) error {
	_, err := g.Receive(name, strings.NewReader(content))
	return err
}

func TestSeed(t *testing.T) {
	from, dir := t.TempDir(), t.TempDir()
	s := newShelf(t, dir)
	write(t, from, map[string]string{"ipxe.efi": "shipped", "undionly.kpxe": "shipped", ".hidden": "x"})
	write(t, dir, map[string]string{"ipxe.efi": "mine"})
	if err := errors.Join(os.Mkdir(filepath.Join(from, "folder"), 0o755), os.Symlink("undionly.kpxe", filepath.Join(from, "link.kpxe"))); err != nil {
		t.Fatal(err)
	}
	copied, err := s.Seed(from)
	if err != nil || !slices.Equal(copied, []string{"link.kpxe", "undionly.kpxe"}) {
		t.Errorf("%v %v", copied, err)
	}
	if got := list(t, dir); !slices.Equal(got, []string{"ipxe.efi", "link.kpxe", "undionly.kpxe"}) || content(t, dir, "ipxe.efi") != "mine" {
		t.Errorf("%v", got)
	}
	if copied, err := s.Seed(from); err != nil || len(copied) != 0 {
		t.Errorf("again: %v %v", copied, err)
	}
	if _, err := s.Seed(filepath.Join(from, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestDelete(t *testing.T) {
	dir := t.TempDir()
	s := newShelf(t, dir)
	write(t, dir, map[string]string{"a": "", "b": ""})
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]fault.Kind{"none": fault.NotFound, "folder": fault.Conflict, "../x": fault.Invalid, strings.Repeat("x", 300): fault.NotFound} {
		if err := s.Delete(name); fault.KindOf(err) != kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Delete("a"); err != nil {
		t.Error(err)
	}
	if got := list(t, dir); !slices.Equal(got, []string{"b", "folder"}) {
		t.Error(got)
	}
}

// A folder that somebody removed is named, with what to do.
func TestFolderIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "boot")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := newShelf(t, dir)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := put(s, map[string]string{"a": ""}); fault.KindOf(err) != fault.Unavailable || !strings.Contains(fault.Public(err), dir) {
		t.Error(err)
	}
}
