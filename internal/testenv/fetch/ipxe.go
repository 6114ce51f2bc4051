package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"bty/internal/testenv/aptget"
)

// ipxeSuite is the first Debian whose iPXE asks for autoexec.ipxe by itself (UEFI), and that
// has boot programs for arm64: Debian 12's is of 2019.
const ipxeSuite = "trixie"

// programs are the boot programs that are wanted, with the other names they go by. Debian has
// ipxe.efi as a link; a link in a boot folder is one thing more that can point outside.
var programs = map[string][]string{
	"undionly.kpxe":    nil,
	"ipxe-amd64.efi":   {"ipxe.efi"},
	"snponly.efi":      nil,
	"ipxe-arm64.efi":   nil,
	"ipxe-riscv64.efi": nil,
	"ipxe.lkrn":        nil,
}

func fetchIPXE(ctx context.Context, work string) error {
	dir := filepath.Join(work, "ipxe")
	if m, ok := holds(dir); ok {
		fmt.Printf("ipxe: %s %s is in %s\n", m.Package, m.Version, dir)
		return nil
	}
	tmp, err := os.MkdirTemp(work, "ipxe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	apt, err := openApt(ctx, filepath.Join(tmp, "apt"), func(configured []aptget.Source, codename string) ([]aptget.Source, error) {
		source, err := aptget.OfSuite(configured, codename, ipxeSuite)
		return []aptget.Source{source}, err
	})
	if err != nil {
		return err
	}
	deb, err := apt.Download(ctx, "ipxe")
	if err != nil {
		return err
	}
	version, err := apt.Version(ctx, deb)
	if err != nil {
		return err
	}
	root := filepath.Join(tmp, "root")
	if err := apt.Extract(ctx, deb, root); err != nil {
		return err
	}
	m := Manifest{Package: "ipxe", Version: version, Suite: ipxeSuite, Licence: "copyright"}
	if err := collectIPXE(root, filepath.Join(tmp, "ipxe"), m); err != nil {
		return err
	}
	fmt.Printf("ipxe: fetched %s into %s\n", version, dir)
	return replace(filepath.Join(tmp, "ipxe"), dir)
}

// collectIPXE copies the programs and the licence texts out of the unpacked package.
func collectIPXE(root, dir string, m Manifest) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	names := []string{m.Licence}
	if err := copyFile(filepath.Join(root, "usr/share/doc/ipxe/copyright"), filepath.Join(dir, m.Licence)); err != nil {
		return err
	}
	for name, others := range programs {
		for _, as := range append([]string{name}, others...) {
			if err := copyFile(filepath.Join(root, "usr/lib/ipxe", name), filepath.Join(dir, as)); err != nil {
				return fmt.Errorf("package ipxe %s: %w", m.Version, err)
			}
			names = append(names, as)
		}
	}
	return m.seal(dir, names)
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o644)
}
