package nbp

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"bty/internal/fault"
)

func write(t *testing.T, root string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(path), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpen(t *testing.T) {
	top := t.TempDir()
	boot, debian, fedora := top+"/boot", top+"/debian", top+"/fedora"
	write(t, boot, "vmlinuz", "sub/file", "ipxe-riscv64.efi", "Mixed.Case", "own.efi")
	write(t, debian, "ipxe-amd64.efi", "undionly.kpxe", "ipxe-arm64.efi", "ipxe-riscv64.efi", "other")
	write(t, fedora, "ipxe-x86_64.efi", "ipxe-snponly-x86_64.efi", "arm64-efi/snponly.efi")
	write(t, top, "secret")
	for link, target := range map[string]string{"out": "../secret", "abs": top + "/secret", "in": "vmlinuz", "ipxe.pxe": "../secret"} {
		if err := os.Symlink(target, filepath.Join(boot, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(boot+"/fifo", 0o644); err != nil {
		t.Fatal(err)
	}
	l := Library{Boot: boot, System: []string{debian, fedora, top + "/none"}}
	for _, tt := range []struct{ name, want string }{
		{"vmlinuz", "/boot/vmlinuz"},
		{"/vmlinuz", "/boot/vmlinuz"},
		{"///vmlinuz", "/boot/vmlinuz"},
		{`\vmlinuz`, "/boot/vmlinuz"},
		{`sub\file`, "/boot/sub/file"},
		{"./sub//file", "/boot/sub/file"},
		{"in", "/boot/vmlinuz"},
		{"ipxe-riscv64.efi", "/boot/ipxe-riscv64.efi"}, // the boot folder wins
		{"ipxe.efi", "/debian/ipxe-amd64.efi"},
		{"IPXE.EFI", "/debian/ipxe-amd64.efi"},
		{"ipxe-x86_64.efi", "/debian/ipxe-amd64.efi"},      // folder before name: one distribution's set
		{"snponly.efi", "/fedora/ipxe-snponly-x86_64.efi"}, // the real one before a stand-in
		{"snponly-arm64.efi", "/fedora/arm64-efi/snponly.efi"},
		{"arm64-efi/ipxe.efi", "/debian/ipxe-arm64.efi"},
		{"undionly.kpxe", "/debian/undionly.kpxe"},

		{"other", "NotFound"}, // in a system folder, but no program of ours
		{"ipxe-i386.efi", "NotFound"},
		{"mixed.case", "NotFound"},
		{"sub", "NotFound"},
		{"fifo", "NotFound"},
		{"out", "NotFound"},
		{"abs", "NotFound"},
		{"ipxe.pxe", "NotFound"},
		{"none", "NotFound"},
		{"", "Invalid"}, {"/", "Invalid"}, {".", "Invalid"}, {"..", "Invalid"}, {"../secret", "Invalid"},
		{`..\secret`, "Invalid"}, {"sub/../vmlinuz", "Invalid"}, {"/../secret", "Invalid"}, {`\..\..\secret`, "Invalid"},
		{"vmlinuz\x00", "Invalid"}, {"a\nb", "Invalid"}, {"\xff", "Invalid"}, {strings.Repeat("a", 500), "Invalid"},
	} {
		f, err := l.Open(tt.name)
		var got string
		switch {
		case err == nil:
			b, _ := io.ReadAll(f)
			got = strings.TrimPrefix(string(b), top)
			f.Close()
		case fault.KindOf(err) == fault.NotFound:
			got = "NotFound"
		case fault.KindOf(err) == fault.Invalid:
			got = "Invalid"
		default:
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// snponly falls back on the full iPXE of its architecture, never the other way round.
func TestStandIn(t *testing.T) {
	top := t.TempDir()
	write(t, top, "full/ipxe-x86_64.efi", "snp/snponly-arm64.efi")
	l := Library{Boot: top + "/boot", System: []string{top + "/full", top + "/snp"}}
	f, err := l.Open("snponly.efi")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !strings.HasSuffix(f.Name(), "ipxe-x86_64.efi") {
		t.Error(f.Name())
	}
	if _, err := l.Open("ipxe-arm64.efi"); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
}

func TestBootFolderThatCannotBeOpened(t *testing.T) {
	file := filepath.Join(t.TempDir(), "boot")
	write(t, filepath.Dir(file), "boot")
	_, err := Library{Boot: file}.Open("x")
	if fault.KindOf(err) != fault.Internal || strings.Contains(fault.Public(err), file) {
		t.Errorf("%v", err)
	}
}

func TestIsProgram(t *testing.T) {
	for name, want := range map[string]bool{
		"ipxe.efi": true, "UNDIONLY.KPXE": true, "own.efi": true, "ipxe.lkrn": true, "a/b.pxe": true,
		"vmlinuz": false, "autoexec.ipxe": false, "x.initrd": false, "": false,
	} {
		if IsProgram(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
	if !IsAutoexec("arm64-efi/autoexec.ipxe") || IsAutoexec("autoexec.ipxe.old") {
		t.Error("IsAutoexec")
	}
}

func TestTableHasNoNameTwice(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range programs() {
		for _, n := range row {
			if seen[n] {
				t.Errorf("%s is in two rows", n)
			}
			seen[n] = true
		}
	}
	for from, to := range standIns() {
		if rowOf(from) == nil || rowOf(to) == nil {
			t.Errorf("%s -> %s names no row", from, to)
		}
	}
}

// Whatever the wire says, only files below the folders are opened.
func FuzzOpen(f *testing.F) {
	for _, s := range []string{"vmlinuz", "../secret", `..\..\x`, "/etc/passwd", "a/../../b", "\x00", "ipxe.efi", "C:\\x", "//host/share", "."} {
		f.Add(s)
	}
	top := f.TempDir()
	if err := os.MkdirAll(top+"/boot", 0o755); err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{"secret", "boot/vmlinuz"} {
		if err := os.WriteFile(filepath.Join(top, name), []byte(name), 0o644); err != nil {
			f.Fatal(err)
		}
	}
	l := Library{Boot: top + "/boot"}
	f.Fuzz(func(t *testing.T, name string) {
		file, err := l.Open(name)
		if err != nil {
			if k := fault.KindOf(err); k != fault.NotFound && k != fault.Invalid {
				t.Errorf("%q: %v", name, err)
			}
			return
		}
		defer file.Close()
		if b, _ := io.ReadAll(file); string(b) != "boot/vmlinuz" {
			t.Errorf("%q opened %q", name, b)
		}
	})
}
