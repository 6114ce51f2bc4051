package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"bty/internal/disk"
)

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

// contents says for people what is on a disk, as far as its partitions and first bytes tell.
func contents(d disk.Device) string {
	if len(d.Partitions) == 0 {
		return formatAt(d.Path, "no partitions, and data that is not known", "nothing that is known: no partitions, zeros at its beginning")
	}
	var parts []string
	for i, p := range d.Partitions {
		if i == 8 {
			parts = append(parts, fmt.Sprintf("and %d more", len(d.Partitions)-i))
			break
		}
		node := strings.TrimSuffix(d.Path, d.Name) + p.Name
		part := fmt.Sprintf("%s %s %s", p.Name, disk.HumanSize(p.Size), formatAt(node, "unknown", "empty"))
		if !strings.HasSuffix(part, "\"") {
			part += partitionName(p.Name)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// formatAt reads the beginning of a device; unknown and empty are what to say when it has no mark.
func formatAt(path, unknown, empty string) string {
	f, err := os.Open(path)
	if err != nil {
		return "unreadable"
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, probeLength))
	if err != nil {
		return "unreadable"
	}
	if name := formatOf(head); name != "" {
		return name + quoted(labelOf(name, head, f))
	}
	if len(bytes.Trim(head, "\x00")) == 0 {
		return empty
	}
	return unknown
}
