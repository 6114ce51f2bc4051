// Package release knows the boot folder: which live environments are installed in it.
package release

import (
	"os"

	"bty/internal/boot"
)

// Folder is the boot folder and the version of the Debian live environment that it may hold.
type Folder struct {
	Root    *os.Root
	Version string // of the artifacts bty-netboot-pc-x86_64-v<Version>.*
}

// Live returns the files of the live environment for an architecture as iPXE's ${buildarch} names
// it: ours if both of its files are there, else the Debian one if all three are, else nothing and
// the first file that is missing. The two are never mixed.
func (f Folder) Live(arch string) (files boot.LiveFiles, missing string) {
	switch arch {
	case "", "i386": // a 32-bit iPXE, as BIOS machines get it, on what is a 64-bit machine today
		arch = "x86_64"
	}
	ours := boot.LiveFiles{Kernel: "bty-live-" + arch + ".vmlinuz", Initrd: "bty-live-" + arch + ".initrd"}
	missing = f.firstMissing(ours.Kernel, ours.Initrd)
	if missing == "" {
		return ours, ""
	}
	stem := "bty-netboot-pc-x86_64-v" + f.Version
	debian := boot.LiveFiles{Kernel: stem + ".vmlinuz", Initrd: stem + ".initrd", Squashfs: stem + ".squashfs"}
	if arch == "x86_64" && f.firstMissing(debian.Kernel, debian.Initrd, debian.Squashfs) == "" {
		return debian, ""
	}
	return boot.LiveFiles{}, missing
}

func (f Folder) firstMissing(names ...string) string {
	for _, name := range names {
		if info, err := f.Root.Stat(name); err != nil || !info.Mode().IsRegular() {
			return name
		}
	}
	return ""
}
