package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// List returns the disks that an image may be put on, ordered by name. Memory disks, loop
// devices, optical drives, volumes made of other devices, the boot areas of an eMMC and drives
// without a medium are not among them.
func (h Host) List() ([]Device, error) {
	entries, err := os.ReadDir(filepath.Join(h.Sys, "block"))
	if err != nil {
		return nil, fmt.Errorf("list block devices: %w", err)
	}
	uses := h.uses()
	var devices []Device
	for _, e := range entries {
		if notADisk.MatchString(e.Name()) {
			continue
		}
		d := h.read(e.Name(), uses)
		if d.Size > 0 && h.attr(e.Name(), "hidden") != "1" && !h.isVirtual(e.Name()) {
			devices = append(devices, d)
		}
	}
	slices.SortFunc(devices, func(a, b Device) int { return strings.Compare(a.Name, b.Name) })
	return devices, nil
}

var notADisk = regexp.MustCompile(`^(loop|ram|zram|dm-|md|sr|scd|fd|nbd|zd|drbd|ubiblock|mtdblock)\d*|^mmcblk\d+(boot\d+|rpmb|gp\d+)$`)

func (h Host) isVirtual(name string) bool {
	return strings.Contains(h.devicePath(name), "/devices/virtual/block/")
}

// Inspect describes the block device behind a path, whatever its kind; a symbolic link such as
// those under /dev/disk is followed. A partition is refused: it is not a disk.
func (h Host) Inspect(path string) (Device, error) {
	at, err := locate(path)
	if err != nil {
		return Device{}, err
	}
	return h.describe(at)
}

// node is a block device's number, and the path that led to it.
type node struct {
	asked, path string // as named, and without symbolic links
	number      uint64
}

func locate(path string) (node, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return node{}, fmt.Errorf("%w: %s: %w", ErrNoDisk, path, pathless(err))
	}
	info, err := os.Stat(real)
	if err != nil {
		return node{}, fmt.Errorf("%w: %s: %w", ErrNoDisk, path, pathless(err))
	}
	if info.Mode()&fs.ModeDevice == 0 || info.Mode()&fs.ModeCharDevice != 0 {
		return node{}, fmt.Errorf("%w: %s is not a block device", ErrNoDisk, path)
	}
	return node{asked: path, path: real, number: deviceNumber(info)}, nil
}

// describe says who the disk with that number is.
func (h Host) describe(n node) (Device, error) {
	number := fmt.Sprintf("%d:%d", unix.Major(n.number), unix.Minor(n.number))
	dir, err := filepath.EvalSymlinks(filepath.Join(h.Sys, "dev/block", number))
	if err != nil {
		return Device{}, fmt.Errorf("%w: the kernel does not know the device behind %s: %w", ErrNoDisk, n.asked, pathless(err))
	}
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		return Device{}, fmt.Errorf("%w: %s is a partition of %s; name the whole disk", ErrNoDisk, n.asked, filepath.Base(filepath.Dir(dir)))
	}
	d := h.read(filepath.Base(dir), h.uses())
	d.Path = n.path
	return d, nil
}

func pathless(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// attr reads an attribute of a block device, "" if it has none.
func (h Host) attr(name string, file ...string) string {
	b, err := os.ReadFile(filepath.Join(append([]string{h.Sys, "block", name}, file...)...))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.ToValidUTF8(strings.Trim(string(b), "\x00"), ""))
}

func (h Host) number(name string, file ...string) int64 {
	n, err := strconv.ParseInt(h.attr(name, file...), 10, 63)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// devicePath is where the device hangs on the machine's buses.
func (h Host) devicePath(name string) string {
	p, err := filepath.EvalSymlinks(filepath.Join(h.Sys, "block", name))
	if err != nil {
		return ""
	}
	return p
}

// sysSector is the unit of sizes in sysfs, whatever the device's own block size.
const sysSector = 512

func (h Host) read(name string, uses usage) Device {
	d := Device{
		Name:      name,
		Path:      filepath.Join(h.Dev, strings.ReplaceAll(name, "!", "/")), // sysfs writes "cciss!c0d0"
		Size:      h.number(name, "size") * sysSector,
		Removable: h.attr(name, "removable") == "1",
		ReadOnly:  h.attr(name, "ro") == "1",
		Logical:   int(h.number(name, "queue", "logical_block_size")),
		Physical:  int(h.number(name, "queue", "physical_block_size")),
	}
	if d.Logical == 0 {
		d.Logical = sysSector
	}
	d.Partitions = h.partitions(name)
	h.identify(&d)
	d.Uses = h.usesOf(d, uses)
	return d
}

func (h Host) partitions(name string) []Partition {
	entries, err := os.ReadDir(filepath.Join(h.Sys, "block", name))
	if err != nil {
		return nil
	}
	var parts []Partition
	for _, e := range entries {
		if n := int(h.number(name, e.Name(), "partition")); n > 0 {
			parts = append(parts, Partition{
				Name: e.Name(), Number: n,
				Start: h.number(name, e.Name(), "start") * sysSector,
				Size:  h.number(name, e.Name(), "size") * sysSector,
			})
		}
	}
	slices.SortFunc(parts, func(a, b Partition) int { return a.Number - b.Number })
	return parts
}
