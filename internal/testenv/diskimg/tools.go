package diskimg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// efiPrograms are the programs by the names that removable media have them under, UEFI 2.10 section 3.5.1.1.
func efiPrograms(line string) map[string][]byte {
	return map[string][]byte{"BOOTX64.EFI": efiProgram(line), "BOOTAA64.EFI": efiProgramARM64(line)}
}

// systemPartition is a FAT file system with the programs. No mount is needed: mtools works on files.
func systemPartition(ctx context.Context, programs map[string][]byte) ([]byte, error) {
	dir, err := os.MkdirTemp("", "esp-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	fat := filepath.Join(dir, "fat")
	if err := errors.Join(os.WriteFile(fat, nil, 0o600), os.Truncate(fat, espSize)); err != nil {
		return nil, err
	}
	steps := [][]string{
		{"mkfs.fat", "-F", "12", "-n", "ESP", "-i", "62747900", "--invariant", fat},
		{"mmd", "-i", fat, "::/EFI", "::/EFI/BOOT"},
	}
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, programs[name], 0o600); err != nil {
			return nil, err
		}
		steps = append(steps, []string{"mcopy", "-i", fat, file, "::/EFI/BOOT/" + name})
	}
	for _, argv := range steps {
		if err := run(ctx, argv); err != nil {
			return nil, err
		}
	}
	return os.ReadFile(fat)
}

// packers are the tools that make each format, by the suffix of its files.
var packers = map[string][]string{
	".gz":  {"gzip", "-n", "-k", "-6"},
	".zst": {"zstd", "-q", "-k", "-3", "--no-progress"},
	".xz":  {"xz", "-k", "-1"},
	".bz2": {"bzip2", "-k", "-1"},
}

// Pack compresses a raw image, with the format's own tool, into a file beside it that has the
// suffix: ".gz", ".zst", ".xz" or ".bz2". Size and digest are those of the packed bytes.
func Pack(ctx context.Context, image Image, suffix string) (Image, error) {
	tool, known := packers[suffix]
	if !known {
		return Image{}, fmt.Errorf("no tool is known that makes %s files", suffix)
	}
	packed := image.File + suffix
	if err := os.RemoveAll(packed); err != nil {
		return Image{}, err
	}
	if err := run(ctx, append(tool[:len(tool):len(tool)], image.File)); err != nil {
		return Image{}, err
	}
	info, err := os.Stat(packed)
	if err != nil {
		return Image{}, err
	}
	sum, err := sha256Of(packed)
	return Image{File: packed, Size: info.Size(), SHA256: sum}, err
}

func run(ctx context.Context, argv []string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	// mtools would otherwise read a configuration that may name other drives.
	cmd.Env = append(os.Environ(), "MTOOLSRC=/dev/null", "MTOOLS_SKIP_CHECK=1", "SOURCE_DATE_EPOCH=1700000000")
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%s is missing; apt-get install mtools dosfstools zstd gzip xz-utils bzip2: %w", argv[0], err)
	} else if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, out)
	}
	return nil
}
