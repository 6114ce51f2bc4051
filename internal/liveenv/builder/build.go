// Package builder makes the two files of a live environment: any kernel, and one initramfs with
// the static bty as init and the modules that a bare machine needs to reach the network and its
// disks. It needs no depmod, no cpio, no root and no network.
package builder

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Options say what to build from.
type Options struct {
	Kernel   string // the kernel's file
	Modules  string // lib/modules/<version>, or a folder that holds exactly one
	Out      string // where the two files go
	BTY      string // the static bty for the target's architecture
	Arch     Arch
	Firmware string    // lib/firmware; "" = none
	CACerts  string    // a bundle in PEM; "" = none
	Rescue   string    // a static busybox, for bty.rescue; "" = none
	ModTime  time.Time // of every file inside: the same input gives the same bytes
}

// Report is what was built.
type Report struct {
	Kernel, Initrd          string // the two files
	KernelSize, InitrdSize  int64
	Version                 string // of the kernel
	Modules                 []string
	ModuleBytes             int64 // unpacked
	Aliases                 int
	Firmware, NoFirmware    int // files packed; files that modules name and the folder lacks
	CACerts, Rescue         bool
	BTYSize                 int64
	Missing                 []string // dependencies that are neither modules nor built in
	VersionOfKernelUnproven bool     // the kernel's file does not say its version
}

// Build checks everything, then writes both files beside their names and renames them.
func Build(ctx context.Context, o Options) (Report, error) {
	kernel, err := readKernel(o.Kernel, o.Arch)
	if err != nil {
		return Report{}, err
	}
	bty, err := readProgram(o.BTY, o.Arch)
	if err != nil {
		return Report{}, err
	}
	tree, err := openTree(o.Modules)
	if err != nil {
		return Report{}, err
	}
	set, err := selectModules(ctx, tree, o.Arch)
	if err != nil {
		return Report{}, err
	}
	if err := set.check(kernel.version, o.Arch); err != nil {
		return Report{}, fmt.Errorf("kernel %s and modules %s: %w", o.Kernel, tree.dir, err)
	}
	root := newRoot(o.ModTime)
	root.file("init", 0o755, bty)
	report := Report{Version: set.version, BTYSize: int64(len(bty)), VersionOfKernelUnproven: kernel.version == ""}
	if err := addModules(root, set, &report); err != nil {
		return Report{}, err
	}
	if err := addExtras(root, set, o, &report); err != nil {
		return Report{}, err
	}
	return report, write(ctx, root, kernel, o, &report)
}

// write puts both files in place. Each is complete on disk before either gets its name.
func write(ctx context.Context, root *root, kernel kernelFile, o Options, report *Report) error {
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return err
	}
	base := filepath.Join(o.Out, "bty-live-"+string(o.Arch))
	initrd, err := stage(base+".initrd", func(f *os.File) error { return root.write(ctx, f) })
	if err != nil {
		return err
	}
	defer initrd.discard()
	vmlinuz, err := stage(base+".vmlinuz", func(f *os.File) error { _, err := f.Write(kernel.data); return err })
	if err != nil {
		return err
	}
	defer vmlinuz.discard()
	report.Kernel, report.KernelSize = vmlinuz.name, vmlinuz.size
	report.Initrd, report.InitrdSize = initrd.name, initrd.size
	if err := initrd.commit(); err != nil {
		return err
	}
	return vmlinuz.commit()
}
