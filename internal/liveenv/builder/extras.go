package builder

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bty/internal/liveenv/kmod"
)

func addModules(r *root, s *set, report *Report) error {
	for name, m := range s.modules {
		r.file(strings.TrimPrefix(kmod.Dir, "/")+"/"+fileName(name), 0o644, m.data)
		report.ModuleBytes += int64(m.size)
	}
	modules, aliases := s.index()
	var index bytes.Buffer
	if err := kmod.WriteIndex(&index, modules, aliases); err != nil {
		return err
	}
	r.file(strings.TrimPrefix(kmod.IndexPath, "/"), 0o644, index.Bytes())
	// The kernel asks for modules that no device announces (a PHY, a cipher) by this name.
	r.link("sbin/modprobe", "/init")
	report.Modules = slices.Sorted(maps.Keys(s.modules))
	report.Aliases = len(aliases)
	report.Missing = s.missing
	return nil
}

func addExtras(r *root, s *set, o Options, report *Report) error {
	if o.CACerts != "" {
		bundle, err := os.ReadFile(o.CACerts)
		if err != nil {
			return fmt.Errorf("the CA certificates: %w", err)
		}
		r.file("etc/ssl/certs/ca-certificates.crt", 0o644, bundle)
		report.CACerts = true
	}
	if err := addRescue(r, o, report); err != nil {
		return err
	}
	if o.Firmware == "" {
		return nil
	}
	return addFirmware(r, s, o.Firmware, report)
}

// addRescue packs a shell only for whoever gave one, and bty under its own name for the shell.
func addRescue(r *root, o Options, report *Report) error {
	if o.Rescue == "" {
		return nil
	}
	shell, err := readRescue(o.Rescue, o.Arch)
	if err != nil {
		return err
	}
	r.file("bin/busybox", 0o755, shell)
	r.link("bin/bty", "/init")
	report.Rescue = true
	return nil
}

// addFirmware packs the files that the selected modules name, and no others: all firmware there
// is has a gigabyte.
func addFirmware(r *root, s *set, dir string, report *Report) error {
	if sub := filepath.Join(dir, "lib", "firmware"); isDir(sub) {
		dir = sub
	}
	if !isDir(dir) {
		return fmt.Errorf("%s: not a folder of firmware", dir)
	}
	top, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer top.Close()
	for _, name := range s.firmware() {
		data, err := readFirmware(top, name)
		if errors.Is(err, fs.ErrNotExist) {
			report.NoFirmware++
			continue
		}
		if err != nil {
			return fmt.Errorf("firmware %s: %w", name, err)
		}
		r.file("lib/firmware/"+name, 0o644, data)
		report.Firmware++
	}
	return nil
}

// readFirmware finds a file as it is or compressed. It goes in unpacked: not every kernel reads
// compressed firmware.
func readFirmware(top *os.Root, name string) ([]byte, error) {
	for _, ext := range []string{"", ".zst", ".xz"} {
		data, err := top.ReadFile(name + ext)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return unpackByName(ext, data)
	}
	return nil, fs.ErrNotExist
}

// firmware lists the files that the modules name, without patterns and paths out of the folder.
func (s *set) firmware() []string {
	found := map[string]bool{}
	for _, m := range s.modules {
		for _, name := range m.info.firmware {
			if filepath.IsLocal(name) && filepath.Clean(name) == name && !strings.ContainsAny(name, "*?[") {
				found[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
