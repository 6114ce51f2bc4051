package stick

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bty/internal/liveenv/builder"
)

// prepared is a folder with all that a stick is made of, as far as a test needs it: nothing of it
// is started here. internal/testenv/boots starts real ones.
func prepared(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	efi := "MZ" + strings.Repeat("\x00", 0x3a) + "\x80\x00\x00\x00" + strings.Repeat("\x00", 0x40) + "PE\x00\x00\x64\x86iPXE\x00autoexec.ipxe\x00\x001.21.1+x\x00"
	for name, data := range map[string]string{
		"bty-live-x86_64.vmlinuz": "kernel", "bty-live-x86_64.initrd": strings.Repeat("initrd", 1<<20),
		"bty-live-arm64.vmlinuz": "kernel", "bty-live-arm64.initrd": "initrd",
		"systemd-bootx64.efi": efi, "systemd-bootaa64.efi": efi, "ipxe.efi": efi, "ipxe.lkrn": "lkrn", "old/ipxe.efi": "MZ iPXE", "old/ipxe.lkrn": "lkrn",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func live(dir string, arch builder.Arch) *Live {
	return &Live{Arch: arch, Dir: dir, Arguments: "console=tty0 bty.server=http://a:8080", Loaders: []string{dir}}
}

// cut is a part of a file in a file of its own.
func cut(t *testing.T, path string, at, size int64) string {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(filepath.Join(t.TempDir(), "part"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, io.NewSectionReader(in, at, size)); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// Each kind as other people's programs see it: the table, both file systems, the files.
func TestBuild(t *testing.T) {
	dir := prepared(t)
	for name, c := range map[string]struct {
		boot  Boot
		room  int64
		table string
		files string
	}{
		"live": {live(dir, builder.X86_64), 100 << 20, `boot=\S+ start= 2048, size= 131072, type=ef, bootable; room=\S+ start= 139264, size= 204800, type=7; `,
			"EFI/BOOT/BOOTX64.EFI bty/initrd bty/vmlinuz loader/entries/bty.conf loader/loader.conf syslinux/syslinux.cfg"},
		"live without room": {live(dir, builder.X86_64), 0, `boot=\S+ start= 2048, size= 131072, type=ef, bootable; `,
			"EFI/BOOT/BOOTX64.EFI bty/initrd bty/vmlinuz loader/entries/bty.conf loader/loader.conf syslinux/syslinux.cfg"},
		"arm64": {live(dir, builder.ARM64), 0, `boot=\S+ start= 2048, size= 131072, type=ef, bootable; `,
			"EFI/BOOT/BOOTAA64.EFI bty/initrd bty/vmlinuz loader/entries/bty.conf loader/loader.conf"},
		"chain": {&Chain{Host: "a:8080", Programs: []string{dir}}, 0, `boot=\S+ start= 2048, size= 32768, type=ef, bootable; `,
			"EFI/BOOT/BOOTX64.EFI autoexec.ipxe ipxe.lkrn syslinux/syslinux.cfg"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "stick.img")
			report, err := Build(t.Context(), Options{Out: out, Boot: c.boot, Room: c.room})
			if err != nil {
				t.Fatal(err)
			}
			names := []string{"boot", "room"}
			var table strings.Builder
			for i, row := range regexp.MustCompile(`(?m)^\S+ : (.*)$`).FindAllStringSubmatch(output(t, "sfdisk", "--dump", out), -1) {
				table.WriteString(names[i] + "=x " + regexp.MustCompile(` +`).ReplaceAllString(row[1], " ") + "; ")
			}
			if !regexp.MustCompile(`^` + c.table + `$`).MatchString(table.String()) {
				t.Errorf("the table is %q; want %q", table.String(), c.table)
			}
			fat := cut(t, out, 1<<20, report.Boot)
			output(t, "fsck.fat", "-n", fat)
			var files []string
			for line := range strings.Lines(output(t, "mdir", "-/", "-b", "-i", fat, "::")) {
				if name := strings.TrimPrefix(strings.TrimSpace(line), "::/"); name != "" && !strings.HasSuffix(name, "/") && !strings.Contains(name, "ldlinux") && !strings.HasSuffix(name, ".c32") {
					files = append(files, name)
				}
			}
			slices.Sort(files)
			if got := strings.Join(files, " "); got != c.files {
				t.Errorf("files: %s; want %s", got, c.files)
			}
			if c.room > 0 {
				exfat := cut(t, out, report.Size-report.Room, report.Room)
				if said := output(t, "fsck.exfat", "-n", exfat); !strings.Contains(said, "clean") {
					t.Error(said)
				}
			}
			if left, _ := filepath.Glob(out + "?*"); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// What cannot become a stick is said before anything is written, with what to do.
func TestRefuses(t *testing.T) {
	dir := prepared(t)
	for name, c := range map[string]struct {
		o    Options
		says string
	}{
		"no live environment": {Options{Boot: live(t.TempDir(), builder.X86_64)}, "bty-lab liveenv build"},
		"no loader":           {Options{Boot: &Live{Arch: builder.X86_64, Dir: dir, Loaders: []string{t.TempDir()}}}, "package systemd-boot-efi"},
		"two lines":           {Options{Boot: &Live{Arch: builder.X86_64, Dir: dir, Arguments: "a\nb", Loaders: []string{dir}}}, "more than one line"},
		"no iPXE":             {Options{Boot: &Chain{Host: "a", Programs: []string{t.TempDir()}}}, "package ipxe"},
		"old iPXE":            {Options{Boot: &Chain{Host: "a", Programs: []string{filepath.Join(dir, "old")}}}, "since 2021"},
		"too large":           {Options{Boot: live(dir, builder.X86_64), Room: 3 << 40}, "partition table"},
		"a device":            {Options{Out: os.DevNull, Boot: live(dir, builder.X86_64)}, "bty flash"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.o.Out == "" {
				c.o.Out = filepath.Join(t.TempDir(), "stick.img")
			}
			_, err := Build(context.Background(), c.o)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want %q", err, c.says)
			}
			if left, _ := filepath.Glob(c.o.Out + "*"); len(left) > 0 && name != "a device" {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// Who interrupts it is not told of a program that was killed, and has nothing to clean up.
func TestCancelled(t *testing.T) {
	out := filepath.Join(t.TempDir(), "stick.img")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Build(ctx, Options{Out: out, Boot: live(prepared(t), builder.X86_64), Room: 8 << 20})
	if !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "cancelled, no image was made") {
		t.Error(err)
	}
	if left, _ := filepath.Glob(out + "*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestParseServer(t *testing.T) {
	for text, want := range map[string]string{
		"http://a:8080": "a:8080", "http://[2001:db8::1]:8080/": "[2001:db8::1]:8080", "http://a": "a",
		"https://a": "", "a:8080": "", "http://": "", "http://a/x": "", "http://u@a": "", "http://a?x": "", "http://a\n": "",
		// What a script cannot say would lead to another host, or to none.
		"http://b\u00fccher:80": "", "http://a&&b": "", "http://a;b": "", "http://$a": "", "http://[fe80::1%25eth0]:80": "",
		"http://a:": "", "http://a:0": "", "http://a:99999": "", "http://a:65535": "a:65535", "http://pxe-1.lab_2.example": "pxe-1.lab_2.example",
	} {
		if got, err := ParseServer(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
