package rule

import (
	"fmt"
	"strings"

	"bty/internal/machine"
)

// choice is a DiskRule that is ready to be asked.
type choice struct {
	rule     *DiskRule
	model    pattern
	min, max int64 // max 0 is none
}

func newChoice(r *DiskRule) choice {
	if r == nil {
		return choice{}
	}
	c := choice{rule: r, model: newPattern(r.Model)}
	c.min, _ = machine.ParseSize(r.Min)
	c.max, _ = machine.ParseSize(r.Max)
	return c
}

// Choose returns the serial of the one disk that a disk rule means, or why there is none.
func (r DiskRule) Choose(h *machine.Hardware) (serial, why string) {
	if h == nil {
		return "", whyUnknown
	}
	return newChoice(&r).of(h.Disks)
}

const whyUnknown = "the machine has not reported its disks yet; boot it in bty-inventory first"

// of never takes the second best: among the disks that could be meant, the one that is must be
// beyond doubt and have a serial of its own.
func (c choice) of(disks []machine.Disk) (serial, why string) {
	var meant []machine.Disk
	for _, d := range disks {
		if c.accepts(d) {
			meant = append(meant, d)
		}
	}
	switch {
	case len(disks) == 0:
		return "", "the machine reported no disk at all"
	case len(meant) == 0:
		return "", fmt.Sprintf("none of its %d disks is fixed, writable and %s", len(disks), c.wants())
	}
	d, why := c.pick(meant)
	if why != "" {
		return "", why
	}
	serial = d.SerialOrEmpty()
	if serial == "" {
		return "", d.Path + " has no serial to know it by"
	}
	for _, other := range disks {
		if other.Path != d.Path && other.SerialOrEmpty() == serial {
			return "", fmt.Sprintf("%s and %s have the same serial", d.Path, other.Path)
		}
	}
	return serial, ""
}

func (c choice) accepts(d machine.Disk) bool {
	if !isFixed(d) || c.rule.Transport != "" && !strings.EqualFold(c.rule.Transport, text(d.Tran)) || !c.model.matches(text(d.Model)) {
		return false
	}
	bytes, known := d.Bytes()
	if known && bytes == 0 {
		return false // a drive without a medium
	}
	if c.rule.Min == "" && c.rule.Max == "" {
		return true
	}
	return known && bytes >= c.min && (c.max == 0 || bytes <= c.max)
}

func (c choice) pick(meant []machine.Disk) (best machine.Disk, why string) {
	if len(meant) == 1 {
		return meant[0], ""
	}
	if c.rule.Pick != Smallest && c.rule.Pick != Largest {
		return best, fmt.Sprintf("%d disks are %s, and the rule is for the only one: %s", len(meant), c.wants(), paths(meant))
	}
	tie := ""
	var size int64
	for i, d := range meant {
		bytes, known := d.Bytes()
		switch {
		case !known:
			return best, "the size of " + d.Path + " is not known"
		case i == 0 || c.rule.Pick == Smallest && bytes < size || c.rule.Pick == Largest && bytes > size:
			best, size, tie = d, bytes, ""
		case bytes == size:
			tie = fmt.Sprintf("%s and %s are of one size, so neither is the %s", best.Path, d.Path, c.rule.Pick)
		}
	}
	return best, tie
}

// wants says for people what the rule asks of a disk.
func (c choice) wants() string {
	parts := []string{}
	if c.rule.Transport != "" {
		parts = append(parts, "on "+c.rule.Transport)
	}
	if c.rule.Model != "" {
		parts = append(parts, fmt.Sprintf("of model %q", c.rule.Model))
	}
	if c.rule.Min != "" {
		parts = append(parts, "of "+c.rule.Min+" or more")
	}
	if c.rule.Max != "" {
		parts = append(parts, "of "+c.rule.Max+" or less")
	}
	if len(parts) == 0 {
		return "a possible target"
	}
	return strings.Join(parts, ", ")
}

// String says for people which disk is meant.
func (r DiskRule) String() string {
	s := "the " + string(r.Pick) + " disk"
	if wants := newChoice(&r).wants(); wants != "a possible target" {
		s += " " + wants
	}
	return s
}

const maxPaths = 4 // that a sentence names

func paths(disks []machine.Disk) string {
	names := []string{}
	for _, d := range disks[:min(len(disks), maxPaths)] {
		names = append(names, d.Path)
	}
	if len(disks) > maxPaths {
		names = append(names, "...")
	}
	return strings.Join(names, ", ")
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return strings.TrimSpace(*s)
}
