package kernelpkg

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tree writes files below a new folder.
func tree(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("content of "+filepath.Base(name)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func tool(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}

// deb packs a folder.
func deb(t *testing.T, dir string) string {
	t.Helper()
	control := filepath.Join(dir, "DEBIAN/control")
	if err := os.MkdirAll(filepath.Dir(control), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(control, []byte("Package: linux-image-test\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example>\nDescription: a kernel\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kernel.deb")
	tool(t, "dpkg-deb", "--build", dir, file)
	return file
}

// rpm packs a folder.
func rpm(t *testing.T, name, dir string) string {
	t.Helper()
	out := t.TempDir()
	spec := filepath.Join(out, name+".spec")
	text := "Name: " + name + "\nVersion: 1\nRelease: 1\nSummary: a kernel\nLicense: none\nBuildArch: noarch\n%description\n%install\ncp -a " + dir + "/. %{buildroot}/\n%files\n/*\n"
	if err := os.WriteFile(spec, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	tool(t, "rpmbuild", "-bb", "--define", "_topdir "+out, "--define", "_build_id_links none", spec)
	found, err := filepath.Glob(filepath.Join(out, "RPMS/*/*.rpm"))
	if err != nil || len(found) != 1 {
		t.Fatalf("rpmbuild made %v", found)
	}
	return found[0]
}

func TestUnpack(t *testing.T) {
	debian := deb(t, tree(t, "boot/vmlinuz-6.1.0-1", "boot/System.map-6.1.0-1", "lib/modules/6.1.0-1/kernel/a.ko.xz", "lib/modules/6.1.0-1/modules.builtin", "usr/share/doc/x"))
	core := rpm(t, "kernel-core", tree(t, "lib/modules/6.12.1/vmlinuz", "lib/modules/6.12.1/modules.builtin"))
	modules := rpm(t, "kernel-modules-core", tree(t, "usr/lib/modules/6.12.1/kernel/b.ko.xz"))
	for _, test := range []struct {
		packages        []string
		kernel, version string
		module          string
	}{
		{[]string{debian}, "boot/vmlinuz-6.1.0-1", "6.1.0-1", "kernel/a.ko.xz"},
		{[]string{core, modules}, "lib/modules/6.12.1/vmlinuz", "6.12.1", "kernel/b.ko.xz"},
	} {
		dir := t.TempDir()
		got, err := Unpack(t.Context(), dir, test.packages...)
		if err != nil {
			t.Error(err)
			continue
		}
		if want := (Kernel{filepath.Join(dir, test.kernel), filepath.Join(dir, "lib/modules", test.version)}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		module, err := os.ReadFile(filepath.Join(got.Modules, test.module))
		if err != nil || string(module) != "content of "+filepath.Base(test.module) {
			t.Errorf("%s %v", module, err)
		}
		for _, other := range []string{"usr", "boot/System.map-6.1.0-1"} {
			if _, err := os.Stat(filepath.Join(dir, other)); err == nil {
				t.Errorf("%s was unpacked too", other)
			}
		}
	}
}

func TestUnpackRefuses(t *testing.T) {
	whole := deb(t, tree(t, "boot/vmlinuz-1", "lib/modules/1/kernel/a.ko"))
	raw, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	file := func(content []byte) string {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, test := range map[string]struct {
		packages []string
		says     string
	}{
		"no package":     {[]string{file([]byte("something else"))}, "neither a .deb nor an .rpm"},
		"empty":          {[]string{file(nil)}, "it is no package"},
		"not there":      {[]string{"/nonexistent.deb"}, "no such file"},
		"cut":            {[]string{file(raw[:len(raw)-200])}, "dpkg-deb"},
		"a cut rpm":      {[]string{file([]byte("\xed\xab\xee\xdb\x03\x00"))}, "it is no package"},
		"a broken rpm":   {[]string{file([]byte("\xed\xab\xee\xdb" + strings.Repeat("\x00", 200)))}, "rpm2cpio"},
		"a meta package": {[]string{deb(t, tree(t, "usr/share/doc/x"))}, "linux-image-<version>"},
		"no modules":     {[]string{deb(t, tree(t, "boot/vmlinuz-1"))}, "modules of 0 kernels"},
		"two kernels":    {[]string{whole, deb(t, tree(t, "boot/vmlinuz-2"))}, "2 kernels"},
		"modules of two": {[]string{whole, deb(t, tree(t, "lib/modules/2/kernel/a.ko"))}, "modules of 2 kernels"},
	} {
		if got, err := Unpack(t.Context(), t.TempDir(), test.packages...); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// A package with more than any kernel has is not unpacked to its end.
func TestBounds(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	m := &room{root: root, bytes: 10, files: 10}
	if err := m.take(entry{"boot/vmlinuz-1", 11, strings.NewReader("")}); err == nil {
		t.Error("too many bytes")
	}
	m = &room{root: root, bytes: 10, files: 1}
	for i, want := range []bool{true, false} {
		if err := m.take(entry{"lib/modules/a", 0, strings.NewReader("")}); (err == nil) != want {
			t.Errorf("file %d: %v", i, err)
		}
	}
	for name, want := range map[string]string{"./boot/vmlinuz-1": "boot/vmlinuz-1", "/usr/lib/modules/1/x": "lib/modules/1/x", "../../lib/modules/1/x": "lib/modules/1/x", "lib/modules/../../etc/passwd": "", "boot/config": "", "etc/lib/modules/x": ""} {
		if got, _ := place(name); got != want {
			t.Errorf("%s goes to %q, want %q", name, got, want)
		}
	}
}
