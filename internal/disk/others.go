package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Other is a block device that List leaves out, with the reason.
type Other struct {
	Device
	Why string
}

// whyNot names the kinds of notADisk that a person may look for.
var whyNot = []struct {
	name *regexp.Regexp
	why  string
}{
	{regexp.MustCompile(`^loop\d`), "a loop device: a file that looks like a disk"},
	{regexp.MustCompile(`^zram\d`), "compressed memory, not a disk"},
	{regexp.MustCompile(`^(sr|scd)\d`), "an optical drive"},
	{regexp.MustCompile(`^fd\d`), "a floppy drive"},
	{regexp.MustCompile(`^(dm-|md)\d`), "a volume that is made of other disks"},
	{regexp.MustCompile(`^(nbd|drbd)\d`), "a disk of another machine"},
	{regexp.MustCompile(`^mmcblk\d+(boot|rpmb|gp)`), "a boot area of an eMMC"},
}

// maxOthers bounds what is returned: some machines have hundreds of loop devices.
const maxOthers = 16

// Others returns what List leaves out although a person may look for it, so that they can be told
// why: drives without a medium, and what is no disk. Devices of the kinds that a kernel has in
// store, empty, are not among them.
func (h Host) Others() ([]Other, error) {
	entries, err := os.ReadDir(filepath.Join(h.Sys, "block"))
	if err != nil {
		return nil, fmt.Errorf("list block devices: %w", err)
	}
	uses := h.uses()
	var others []Other
	for _, e := range entries {
		if why := h.whyLeftOut(e.Name()); why != "" {
			others = append(others, Other{h.read(e.Name(), uses), why})
		}
	}
	slices.SortFunc(others, func(a, b Other) int { return strings.Compare(a.Name, b.Name) })
	return others[:min(len(others), maxOthers)], nil
}

// whyLeftOut is "" for a disk, and for what nobody looks for.
func (h Host) whyLeftOut(name string) string {
	if h.attr(name, "hidden") == "1" {
		return ""
	}
	empty := h.number(name, "size") == 0
	if !notADisk.MatchString(name) {
		if empty {
			return "it has no medium: its size is 0"
		}
		return ""
	}
	for _, w := range whyNot {
		if w.name.MatchString(name) && !empty {
			return w.why
		}
	}
	return ""
}
