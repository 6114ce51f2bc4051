package stick

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bty/internal/liveenv/builder"
)

// Live is a stick with the live environment.
type Live struct {
	Arch      builder.Arch
	Dir       string // of bty-live-ARCH.vmlinuz and .initrd
	Arguments string // for the kernel
	Loaders   []string
}

// Arguments are what every kernel on a stick is told. The last console is /dev/console; a kernel that
// does not reach init must not hang for ever.
const Arguments = "console=tty0 console=ttyS1,115200 console=ttyS0,115200 modprobe.blacklist=nouveau panic=30"

// Loaders are where distributions have systemd-boot, which starts kernels on UEFI.
var Loaders = []string{"/usr/lib/systemd/boot/efi"}

func (l *Live) bios() bool { return l.Arch == builder.X86_64 }

// space: FAT32, which all firmware takes.
func (l *Live) space() int64 { return fat32 }

// efiName is how UEFI names an architecture (UEFI 2.10, section 3.5.1.1).
func efiName(arch builder.Arch) string {
	if arch == builder.ARM64 {
		return "aa64"
	}
	return "x64"
}

func (l *Live) files() ([]file, error) {
	if strings.ContainsAny(l.Arguments, "\r\n") {
		return nil, errors.New("the kernel's arguments have more than one line")
	}
	base := filepath.Join(l.Dir, "bty-live-"+string(l.Arch))
	for _, path := range []string{base + ".vmlinuz", base + ".initrd"} {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("no live environment: %w; make one with bty-lab liveenv build --out DIR", err)
		}
	}
	loader, err := l.loader()
	if err != nil {
		return nil, err
	}
	all := []file{
		{Name: "EFI/BOOT/BOOT" + strings.ToUpper(efiName(l.Arch)) + ".EFI", From: loader},
		{Name: "loader/loader.conf", Data: "default bty.conf\ntimeout 0\n"},
		{Name: "loader/entries/bty.conf", Data: fmt.Sprintf("title bty\nlinux /bty/vmlinuz\ninitrd /bty/initrd\noptions %s\n", l.Arguments)},
		{Name: "bty/vmlinuz", From: base + ".vmlinuz"},
		{Name: "bty/initrd", From: base + ".initrd"},
	}
	if l.bios() {
		all = append(all, file{Name: "syslinux/syslinux.cfg", Data: config("LINUX /bty/vmlinuz", "INITRD /bty/initrd", "APPEND "+l.Arguments)})
	}
	return all, nil
}

func (l *Live) loader() (string, error) {
	name := "systemd-boot" + efiName(l.Arch) + ".efi"
	var paths []string
	for _, dir := range l.Loaders {
		paths = append(paths, filepath.Join(dir, name))
	}
	if path, ok := firstFile(paths...); ok {
		return path, nil
	}
	return "", fmt.Errorf("%s, which starts the kernel on UEFI, is not installed: package systemd-boot-efi (Debian) or systemd-boot-unsigned (Fedora), of the machines' architecture", name)
}

// config is that of syslinux, which shows no menu.
func config(lines ...string) string {
	return "DEFAULT bty\nPROMPT 0\nTIMEOUT 0\nLABEL bty\n  " + strings.Join(lines, "\n  ") + "\n"
}
