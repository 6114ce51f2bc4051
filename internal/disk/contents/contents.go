// Package contents recognises what is on a disk or a partition from its first bytes: the format of
// a file system, and the name that somebody gave it.
package contents

import (
	"bytes"
	"io"
	"os"
)

// Is is what a device holds.
type Is struct {
	Format string // for people: "exFAT", "ext2/3/4", "" for none that is known
	Label  string // of a file system, "" for none
	Zeros  bool   // there are only zeros at the beginning
}

// Read looks at a device, a partition or a file.
func Read(path string) (Is, error) {
	f, err := os.Open(path)
	if err != nil {
		return Is{}, err
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, probeLength))
	if err != nil {
		return Is{}, err
	}
	is := Is{Format: formatOf(head), Zeros: len(bytes.Trim(head, "\x00")) == 0}
	is.Label = labelOf(is.Format, head, f)
	return is, nil
}

// mark is how a format is told from the bytes at its beginning.
type mark struct {
	offset int
	bytes  string
	name   string
}

// marks are what a person would be sorry to lose. The first that fits counts.
var marks = [...]mark{
	{0, "LUKS\xba\xbe", "LUKS"},
	{512, "LABELONE", "LVM"},
	{0, "XFSB", "xfs"},
	{0x438, "\x53\xef", "ext2/3/4"},
	{0x10040, "_BHRfS_M", "btrfs"},
	{0x1000, "\xfc\x4e\x2b\xa9", "RAID member"}, // metadata 1.2
	{3, "NTFS    ", "NTFS"},
	{3, "EXFAT   ", "exFAT"},
	{82, "FAT32   ", "FAT"},
	{54, "FAT1", "FAT"},
	{0x8001, "CD001", "ISO 9660"},
	{0xff6, "SWAPSPACE2", "swap"},
	{0x400, "\x10\x20\xf5\xf2", "f2fs"},
	{0, "hsqs", "squashfs"},
	{512, "EFI PART", "GPT"},
	{510, "\x55\xaa", "boot sector"},
}

// probeLength covers the farthest mark and label.
const probeLength = 0x1012b + 256

// formatOf names what the bytes at the beginning of a disk or partition are, "" if nothing known.
func formatOf(head []byte) string {
	for _, m := range marks {
		if end := m.offset + len(m.bytes); end <= len(head) && string(head[m.offset:end]) == m.bytes {
			return m.name
		}
	}
	return ""
}
