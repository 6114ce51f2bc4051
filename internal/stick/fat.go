package stick

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// fat32 is from where on it is FAT32, which wants 65,525 clusters; below FAT16 does, which UEFI
// takes on removable media (UEFI 2.10, section 13.3).
const fat32 = 64 * mib

// makeFAT makes the file system that both kinds of firmware start from, and puts the files on it.
func makeFAT(ctx context.Context, s tools, image string, p plan, files []file) error {
	bits := "16"
	if p.boot.size >= fat32 {
		bits = "32"
	}
	start := strconv.FormatInt(p.boot.start/sector, 10)
	err := s.run(ctx, mkfsFAT, "-F", bits, "-n", "BTY_BOOT", "--offset", start, "-h", start, image,
		strconv.FormatInt(p.boot.size/1024, 10))
	if err != nil {
		return err
	}
	drive := fmt.Sprintf("%s@@%d", image, p.boot.start)
	for _, dir := range folders(files) {
		if err := s.run(ctx, mmd, "-i", drive, "::"+dir); err != nil {
			return err
		}
	}
	temp, err := os.MkdirTemp("", "bty-stick-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	for i, f := range files {
		from := f.From
		if from == "" {
			from = filepath.Join(temp, strconv.Itoa(i))
			if err := os.WriteFile(from, []byte(f.Data), 0o600); err != nil {
				return err
			}
		}
		if err := s.run(ctx, mcopy, "-i", drive, from, "::/"+f.Name); err != nil {
			return err
		}
	}
	return nil
}

// folders are those that the files need, each after the one that it is in.
func folders(files []file) []string {
	var dirs []string
	seen := map[string]bool{}
	for _, f := range files {
		above := ""
		for part := range strings.SplitSeq(path.Dir(f.Name), "/") {
			if part == "." {
				continue
			}
			above += "/" + part
			if !seen[above] {
				seen[above] = true
				dirs = append(dirs, above)
			}
		}
	}
	return dirs
}

// makeBootable writes the first sector, and what a BIOS loads from the file system. It comes after
// the files: syslinux notes where its own lies.
func makeBootable(ctx context.Context, s tools, image string, p plan, bios bool) error {
	if bios {
		if err := s.run(ctx, syslinux, "--install", "--directory", "syslinux", "--offset", strconv.FormatInt(p.boot.start, 10), image); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if bios && p.boot.size >= fat32 {
		if err := copyBootSector(f, p.boot.start); err != nil {
			return err
		}
	}
	if bios {
		code, err := os.ReadFile(s.bootCode)
		if err != nil {
			return err
		}
		if len(code) > bootCode {
			return fmt.Errorf("%s has %d bytes, the first sector has room for %d", s.bootCode, len(code), bootCode)
		}
		if _, err := f.WriteAt(code, 0); err != nil {
			return err
		}
	}
	if _, err := f.WriteAt(p.table(rand.Uint32()), bootCode); err != nil {
		return err
	}
	return f.Close()
}

// copyBootSector puts what syslinux made of the boot sector into its copy as well.
func copyBootSector(f *os.File, at int64) error {
	const copyAt = 6 * sector
	b := make([]byte, sector)
	if _, err := f.ReadAt(b, at); err != nil {
		return err
	}
	_, err := f.WriteAt(b, at+copyAt)
	return err
}
