package release

import (
	"os"
	"path/filepath"
	"testing"

	"bty/internal/boot"
)

func TestLive(t *testing.T) {
	const stem = "bty-netboot-pc-x86_64-v0.65.4"
	debian := []string{stem + ".vmlinuz", stem + ".initrd", stem + ".squashfs"}
	ours := boot.LiveFiles{Kernel: "bty-live-x86_64.vmlinuz", Initrd: "bty-live-x86_64.initrd"}
	trio := boot.LiveFiles{Kernel: debian[0], Initrd: debian[1], Squashfs: debian[2]}
	tests := []struct {
		name, arch string
		files      []string
		want       boot.LiveFiles
		missing    string
	}{
		{"nothing", "x86_64", nil, boot.LiveFiles{}, ours.Kernel},
		{"ours", "x86_64", []string{ours.Kernel, ours.Initrd}, ours, ""},
		{"ours, no arch said", "", []string{ours.Kernel, ours.Initrd}, ours, ""},
		{"ours, 32-bit iPXE", "i386", []string{ours.Kernel, ours.Initrd}, ours, ""},
		{"ours before theirs", "x86_64", append([]string{ours.Kernel, ours.Initrd}, debian...), ours, ""},
		{"half of ours", "x86_64", []string{ours.Kernel}, boot.LiveFiles{}, ours.Initrd},
		{"half of ours, all of theirs", "x86_64", append([]string{ours.Kernel}, debian...), trio, ""},
		{"theirs", "x86_64", debian, trio, ""},
		{"two of theirs", "x86_64", debian[:2], boot.LiveFiles{}, ours.Kernel},
		{"theirs of another version", "x86_64", []string{"bty-netboot-pc-x86_64-v1.vmlinuz", "bty-netboot-pc-x86_64-v1.initrd", "bty-netboot-pc-x86_64-v1.squashfs"}, boot.LiveFiles{}, ours.Kernel},
		{"theirs is not for arm64", "arm64", debian, boot.LiveFiles{}, "bty-live-arm64.vmlinuz"},
		{"arm64", "arm64", []string{"bty-live-arm64.vmlinuz", "bty-live-arm64.initrd"}, boot.LiveFiles{Kernel: "bty-live-arm64.vmlinuz", Initrd: "bty-live-arm64.initrd"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range test.files {
				if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			got, missing := Folder{Root: root, Version: "0.65.4"}.Live(test.arch)
			if got != test.want || missing != test.missing {
				t.Errorf("%+v, missing %q", got, missing)
			}
		})
	}
}
