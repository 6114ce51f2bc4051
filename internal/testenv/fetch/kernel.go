package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"bty/internal/testenv/aptget"
)

// kernelOf says which package always points to Debian's newest kernel, and which prefix the
// real one has, per architecture.
var kernelOf = map[string]struct{ meta, prefix, debian string }{
	"x86_64": {"linux-image-amd64", "linux-image-", "amd64"},
	"arm64":  {"linux-image-arm64", "linux-image-", "arm64"},
}

func fetchKernel(ctx context.Context, work, arch string) error {
	kind, ok := kernelOf[arch]
	if !ok {
		return fmt.Errorf("no kernel package is known for %s; want x86_64 or arm64", arch)
	}
	dir := filepath.Join(work, "kernel", arch)
	if m, ok := holds(dir); ok {
		fmt.Printf("kernel: %s %s is in %s\n", m.Package, m.Version, dir)
		return nil
	}
	tmp, err := os.MkdirTemp(work, "kernel-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	apt, err := openApt(ctx, filepath.Join(tmp, "apt"), aptget.Running)
	if err != nil {
		return err
	}
	if kind.debian != runtime.GOARCH {
		if err := apt.For(ctx, kind.debian); err != nil {
			return err
		}
	}
	name, err := apt.Dependency(ctx, kind.meta, kind.prefix)
	if err != nil {
		return err
	}
	deb, err := apt.Download(ctx, name)
	if err != nil {
		return err
	}
	root := filepath.Join(tmp, "root")
	if err := apt.Extract(ctx, deb, root); err != nil {
		return err
	}
	version, err := apt.Version(ctx, deb)
	if err != nil {
		return err
	}
	if err := finishKernel(ctx, root, Manifest{Package: name, Version: version, Licence: "copyright"}); err != nil {
		return err
	}
	fmt.Printf("kernel: fetched %s %s into %s\n", name, version, dir)
	return replace(root, dir)
}

// finishKernel makes the unpacked package usable: Debian's ships no modules.dep, and from
// Debian 13 on the modules are under usr/lib.
func finishKernel(ctx context.Context, root string, m Manifest) error {
	if err := moveModules(root); err != nil {
		return err
	}
	releases, err := filepath.Glob(filepath.Join(root, "lib/modules/*"))
	if err != nil || len(releases) != 1 {
		return fmt.Errorf("package %s holds %d folders of modules; want one", m.Package, len(releases))
	}
	release := filepath.Base(releases[0])
	if out, err := exec.CommandContext(ctx, "depmod", "-b", root, release).CombinedOutput(); err != nil {
		return fmt.Errorf("depmod of %s: %w: %s", release, err, out)
	}
	if err := copyFile(filepath.Join(root, "usr/share/doc", m.Package, "copyright"), filepath.Join(root, m.Licence)); err != nil {
		return err
	}
	dep := filepath.Join("lib/modules", release, "modules.dep")
	return m.seal(root, []string{"boot/vmlinuz-" + release, dep, m.Licence})
}

func moveModules(root string) error {
	from, to := filepath.Join(root, "usr/lib/modules"), filepath.Join(root, "lib/modules")
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Rename(from, to)
}
