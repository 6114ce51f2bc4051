package stick

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tool is a program of others; packages are Debian's and Fedora's names for where it is.
type tool struct{ name, packages string }

var (
	mkfsFAT   = tool{"mkfs.fat", "dosfstools"}
	mmd       = tool{"mmd", "mtools"}
	mcopy     = tool{"mcopy", "mtools"}
	mkfsExFAT = tool{"mkfs.exfat", "exfatprogs"}
	syslinux  = tool{"syslinux", "syslinux"}
)

// tools are the programs by their names, and the boot code of a BIOS's first sector.
type tools struct {
	paths    map[string]string
	bootCode string
}

// bootCodes are where distributions have syslinux' code for the first sector.
var bootCodes = []string{"/usr/lib/syslinux/mbr/mbr.bin", "/usr/share/syslinux/mbr.bin", "/usr/lib/syslinux/bios/mbr.bin"}

// findTools names all that is missing at once.
func findTools(o Options) (tools, error) {
	wanted := []tool{mkfsFAT, mmd, mcopy}
	if o.Room > 0 {
		wanted = append(wanted, mkfsExFAT)
	}
	if o.Boot.bios() {
		wanted = append(wanted, syslinux)
	}
	found := tools{paths: map[string]string{}}
	var missing []error
	for _, t := range wanted {
		path, err := t.find()
		if err != nil {
			missing = append(missing, err)
		}
		found.paths[t.name] = path
	}
	if o.Boot.bios() {
		var ok bool
		if found.bootCode, ok = firstFile(bootCodes...); !ok {
			missing = append(missing, errors.New("mbr.bin is not installed: package syslinux-common (Debian) or syslinux (Fedora)"))
		}
	}
	return found, errors.Join(missing...)
}

// find looks where an ordinary user's PATH does not lead, too.
func (t tool) find() (string, error) {
	if path, err := exec.LookPath(t.name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, t.name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: package %s", t.name, t.packages)
}

// firstFile is the first of the paths that is a file.
func firstFile(paths ...string) (string, bool) {
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			return p, true
		}
	}
	return "", false
}

// run runs a tool; what it says is the error's text.
func (s tools) run(ctx context.Context, t tool, args ...string) error {
	cmd := exec.CommandContext(ctx, s.paths[t.name], args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	switch err := cmd.Run(); {
	case ctx.Err() != nil:
		return fmt.Errorf("cancelled, no image was made: %w", ctx.Err())
	case err != nil:
		return fmt.Errorf("%s: %w: %s", t.name, err, strings.TrimSpace(said.String()))
	}
	return nil
}
