package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bty/internal/disk"
	holds "bty/internal/disk/contents"
)

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
	is, err := holds.Read(path)
	switch {
	case err != nil:
		return "unreadable"
	case is.Format != "":
		return is.Format + quoted(is.Label)
	case is.Zeros:
		return empty
	}
	return unknown
}

// partitionName is what the partition table calls it, "" if nothing.
func partitionName(name string) string {
	uevent, err := os.ReadFile(filepath.Join("/sys/class/block", filepath.Base(name), "uevent"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(uevent)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "PARTNAME="); ok {
			return quoted(value)
		}
	}
	return ""
}

// maxLabel is how much of a label is shown.
const maxLabel = 32

// quoted is a label behind what it is a label of.
func quoted(label string) string {
	label = strings.ToValidUTF8(label, "?")
	if label == "" {
		return ""
	}
	if r := []rune(label); len(r) > maxLabel {
		label = string(r[:maxLabel])
	}
	return fmt.Sprintf(" %q", label)
}
