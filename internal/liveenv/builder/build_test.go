package builder

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bty/internal/liveenv/kmod"

	"github.com/cavaliergopher/cpio"
	"github.com/klauspost/compress/zstd"
)

func options(root, out string) Options {
	return Options{
		Kernel: filepath.Join(root, "vmlinuz"), Modules: root, Out: out,
		BTY: filepath.Join(root, "bty"), Arch: X86_64, ModTime: time.Unix(0, 0),
	}
}

// unpackInitrd reads an initramfs: files and links by name, folders as nil.
func unpackInitrd(t *testing.T, path string) map[string][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dec, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	files := map[string][]byte{}
	r := cpio.NewReader(dec)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if dir := filepath.Dir(h.Name); dir != "." {
			if _, there := files[dir]; !there {
				t.Errorf("%s comes before its folder", h.Name)
			}
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case h.Linkname != "":
			data = []byte("-> " + h.Linkname)
		case h.Mode.IsDir():
			data = nil
		}
		files[h.Name] = data
		if h.ModTime.Unix() != 0 || h.Uid != 0 || h.Guid != 0 {
			t.Errorf("%s: time %v, owner %d:%d", h.Name, h.ModTime, h.Uid, h.Guid)
		}
	}
}

func TestBuild(t *testing.T) {
	root, out := fakeTree(t), t.TempDir()
	put(t, filepath.Join(root, "fw/rtl_nic/a.fw"), []byte("firmware a"))
	put(t, filepath.Join(root, "ca.crt"), []byte("-----BEGIN CERTIFICATE-----\n"))
	o := options(root, out)
	put(t, filepath.Join(root, "busybox"), fakeProgram(t, elf.EM_X86_64, false))
	o.Rescue = filepath.Join(root, "busybox")
	o.Firmware, o.CACerts = filepath.Join(root, "fw"), filepath.Join(root, "ca.crt")
	report, err := Build(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"failover", "net_failover", "r8169", "realtek", "usb_storage", "virtio", "virtio_net"}
	if !slices.Equal(report.Modules, want) {
		t.Errorf("modules %q, want %q", report.Modules, want)
	}
	if !slices.Equal(report.Missing, []string{"nowhere"}) || report.Version != release || report.Firmware != 1 || report.NoFirmware != 1 || !report.CACerts {
		t.Errorf("report %+v", report)
	}
	files := unpackInitrd(t, filepath.Join(out, "bty-live-x86_64.initrd"))
	if !bytes.Equal(files["init"], fakeProgram(t, elf.EM_X86_64, false)) {
		t.Error("init is not the bty that was given")
	}
	for name, content := range map[string]string{
		"sbin/modprobe": "-> /init", "bin/bty": "-> /init", "bin/busybox": string(fakeProgram(t, elf.EM_X86_64, false)), "lib/firmware/rtl_nic/a.fw": "firmware a",
		"etc/ssl/certs/ca-certificates.crt": "-----BEGIN CERTIFICATE-----\n",
	} {
		if string(files[name]) != content {
			t.Errorf("%s holds %q, want %q", name, files[name], content)
		}
	}
	checkIndex(t, files)
	vmlinuz, err := os.ReadFile(filepath.Join(out, "bty-live-x86_64.vmlinuz"))
	if err != nil || !bytes.Equal(vmlinuz, fakeBzImage(release)) {
		t.Errorf("the kernel was not copied: %v", err)
	}
	if left, _ := os.ReadDir(out); len(left) != 2 {
		t.Errorf("%d files in the folder, want 2", len(left))
	}
}

// checkIndex: init finds each module that a device asks for, in loading order, in the archive.
func checkIndex(t *testing.T, files map[string][]byte) {
	t.Helper()
	index, err := kmod.ParseIndex(files[strings.TrimPrefix(kmod.IndexPath, "/")])
	if err != nil {
		t.Fatal(err)
	}
	var inserted []string
	loader := kmod.NewLoader(index, kmod.Params{}, func(path, _ string) error {
		if files[strings.TrimPrefix(kmod.Dir, "/")+"/"+path] == nil {
			t.Errorf("the index names %s, which is not in the archive", path)
		}
		inserted = append(inserted, strings.TrimSuffix(path, ".ko.zst"))
		return nil
	})
	for _, alias := range []string{"virtio:d00000001v00001AF4", "pci:v000010ECd00008168sv00001234"} {
		for _, m := range loader.Match(alias) {
			if err := loader.Load(m, ""); err != nil {
				t.Error(err)
			}
		}
	}
	want := []string{"failover", "net_failover", "virtio", "virtio_net", "realtek", "r8169"}
	if !slices.Equal(inserted, want) {
		t.Errorf("loaded %q, want %q", inserted, want)
	}
}

func TestBuildIsReproducible(t *testing.T) {
	root := fakeTree(t)
	var first []byte
	for range 3 {
		out := t.TempDir()
		if _, err := Build(context.Background(), options(root, out)); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(out, "bty-live-x86_64.initrd"))
		if err != nil {
			t.Fatal(err)
		}
		if first != nil && !bytes.Equal(first, data) {
			t.Fatal("the same input gave different bytes")
		}
		first = data
	}
}

func TestBuildRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, root string, o *Options)
		want  string
	}{
		"no kernel":    {func(t *testing.T, root string, o *Options) { o.Kernel += "x" }, "the kernel: open"},
		"not a kernel": {func(t *testing.T, root string, o *Options) { put(t, o.Kernel, []byte("ELF?")) }, "not a bzImage"},
		"a 32-bit kernel": {func(t *testing.T, root string, o *Options) {
			k := fakeBzImage(release)
			k[0x236] = 0
			put(t, o.Kernel, k)
		}, "32-bit"},
		"another kernel's modules": {func(t *testing.T, root string, o *Options) { put(t, o.Kernel, fakeBzImage("6.2.0")) },
			"the kernel is 6.2.0, the modules are for 6.1.0-test"},
		"a kernel for another machine": {func(t *testing.T, root string, o *Options) { o.Arch = ARM64 }, "neither an Image"},
		"no bty":                       {func(t *testing.T, root string, o *Options) { o.BTY += "x" }, "go build ./cmd/bty"},
		"a dynamic bty": {func(t *testing.T, root string, o *Options) { put(t, o.BTY, fakeProgram(t, elf.EM_X86_64, true)) },
			"CGO_ENABLED=0"},
		"a bty for another machine": {func(t *testing.T, root string, o *Options) { put(t, o.BTY, fakeProgram(t, elf.EM_AARCH64, false)) },
			"is for EM_AARCH64"},
		"a dynamic busybox": {func(t *testing.T, root string, o *Options) {
			o.Rescue = filepath.Join(root, "busybox")
			put(t, o.Rescue, fakeProgram(t, elf.EM_X86_64, true))
		}, "busybox-static"},
		"no busybox":      {func(t *testing.T, root string, o *Options) { o.Rescue = "/nonexistent" }, "the busybox for rescue: open"},
		"a script as bty": {func(t *testing.T, root string, o *Options) { put(t, o.BTY, []byte("#!/bin/sh\n")) }, "not a program"},
		"no modules":      {func(t *testing.T, root string, o *Options) { o.Modules = t.TempDir() }, "no folder of kernel modules"},
		"modules of two kernels": {func(t *testing.T, root string, o *Options) {
			put(t, filepath.Join(root, "lib/modules/6.9/kernel/a.ko"), nil)
		}, "modules of 2 kernels"},
		"a module of another kernel": {func(t *testing.T, root string, o *Options) {
			put(t, filepath.Join(root, "lib/modules", release, "kernel/drivers/nvme/host/nvme.ko"), fakeModule(t, elf.EM_X86_64, vermagic("6.0")))
		}, "modules of different kernels"},
		"a module of another machine": {func(t *testing.T, root string, o *Options) {
			put(t, filepath.Join(root, "lib/modules", release, "kernel/drivers/nvme/host/nvme.ko"), fakeModule(t, elf.EM_AARCH64, vermagic(release)))
		}, "is for EM_AARCH64"},
		"a broken module": {func(t *testing.T, root string, o *Options) {
			put(t, filepath.Join(root, "lib/modules", release, "kernel/drivers/nvme/host/nvme.ko.xz"), []byte("junk"))
		}, "nvme.ko.xz"},
		"no firmware folder": {func(t *testing.T, root string, o *Options) { o.Firmware = "/nonexistent" }, "not a folder of firmware"},
		"no certificates":    {func(t *testing.T, root string, o *Options) { o.CACerts = "/nonexistent" }, "the CA certificates"},
	} {
		t.Run(name, func(t *testing.T) {
			root, out := fakeTree(t), t.TempDir()
			o := options(root, out)
			c.spoil(t, root, &o)
			_, err := Build(context.Background(), o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if left, _ := os.ReadDir(out); len(left) != 0 {
				t.Errorf("left %d files", len(left))
			}
		})
	}
}
