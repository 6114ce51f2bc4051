package rule

import (
	"cmp"
	"slices"
	"strings"

	"bty/internal/machine"
)

// Miss is the input for which a rule does not match; "" says that it does.
type Miss string

const (
	Matches      Miss = ""
	MissLabel    Miss = "label"     // it lacks a label
	MissNotLabel Miss = "not_label" // it has one that it must not have
	MissMAC      Miss = "mac"
	MissArch     Miss = "arch" // another, or not known yet
	MissVendor   Miss = "vendor"
	MissProduct  Miss = "product"
	MissDisk     Miss = "disk"     // no fixed disk of that size
	MissHardware Miss = "hardware" // the rule asks for hardware, and the machine has not reported any
)

// Because says it in a sentence.
func (m Miss) Because() string { return misses[m] }

var misses = map[Miss]string{
	Matches: "it matches", MissLabel: "the machine lacks a label that the rule asks for",
	MissNotLabel: "the machine has a label that the rule excludes", MissMAC: "the MAC begins otherwise",
	MissArch:   "the architecture is another one, or not known before the machine has booted",
	MissVendor: "the vendor is another one", MissProduct: "the product is another one",
	MissDisk:     "it reported no fixed disk of such a size",
	MissHardware: "it has not reported its hardware yet; an inventory comes first",
}

// NewSet puts rules into their order and makes them ready.
func NewSet(rules []Rule, def Assignment) *Set {
	s := &Set{Rules: slices.Clone(rules), Default: def}
	slices.SortStableFunc(s.Rules, func(a, b Rule) int { return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.ID, b.ID)) })
	for _, r := range s.Rules {
		c := newCheck(r.Selector)
		s.asksHardware = s.asksHardware || c.asksHardware || r.Assign.Disk != nil
		s.checks = append(s.checks, c)
		s.disks = append(s.disks, newChoice(r.Assign.Disk))
	}
	s.last = newChoice(def.Disk)
	s.asksHardware = s.asksHardware || def.Disk != nil
	return s
}

// Get returns the rule with an ID.
func (s *Set) Get(id ID) (Rule, bool) {
	if s == nil {
		return Rule{}, false
	}
	i := slices.IndexFunc(s.Rules, func(r Rule) bool { return r.ID == id })
	if i < 0 {
		return Rule{}, false
	}
	return s.Rules[i], true
}

// AsksHardware reports whether any rule may look at what the machine reported about itself.
func (s *Set) AsksHardware(m machine.Machine) bool {
	if s == nil || !s.asksHardware {
		return false
	}
	i := m.Intent
	return i.Free || i.Mode.Flashes() && (i.Image.IsZero() || i.TargetSerial == "")
}

// Place is where a rule stands in the order, from 1; 0 if it does not.
func (s *Set) Place(id ID) int {
	return slices.IndexFunc(s.Rules, func(r Rule) bool { return r.ID == id }) + 1
}

// check is a Selector that is ready to be asked.
type check struct {
	Selector
	digits          string // of the MAC prefix
	vendor, product pattern
	min, max        int64 // of a disk; max 0 is none
	asksHardware    bool
}

func newCheck(s Selector) check {
	c := check{Selector: s, digits: strings.ReplaceAll(s.MACPrefix, ":", ""), vendor: newPattern(s.Vendor), product: newPattern(s.Product)}
	c.min, _ = machine.ParseSize(s.DiskMin)
	c.max, _ = machine.ParseSize(s.DiskMax)
	c.asksHardware = s.Vendor != "" || s.Product != "" || s.DiskMin != "" || s.DiskMax != ""
	return c
}

// miss asks what is quick to answer first.
func (c *check) miss(m *machine.Machine, h *machine.Hardware) Miss {
	switch {
	case !beginsWith(m.MAC, c.digits):
		return MissMAC
	case !containsAll(m.Intent.Labels, c.Labels):
		return MissLabel
	case slices.ContainsFunc(c.NotLabels, func(l string) bool { return slices.Contains(m.Intent.Labels, l) }):
		return MissNotLabel
	case c.Arch != "" && c.Arch != m.Arch:
		return MissArch
	case !c.asksHardware:
		return Matches
	case h == nil:
		return MissHardware
	case !c.vendor.matches(h.Vendor):
		return MissVendor
	case !c.product.matches(h.Product):
		return MissProduct
	case (c.DiskMin != "" || c.DiskMax != "") && !slices.ContainsFunc(h.Disks, c.isSize):
		return MissDisk
	}
	return Matches
}

func containsAll(have, want []string) bool {
	for _, l := range want {
		if !slices.Contains(have, l) {
			return false
		}
	}
	return true
}

func beginsWith(mac machine.MAC, digits string) bool {
	const hex = "0123456789abcdef"
	for i := range len(digits) {
		octet := mac[i/2]
		if i%2 == 0 {
			octet >>= 4
		}
		if hex[octet&15] != digits[i] {
			return false
		}
	}
	return true
}

func (c *check) isSize(d machine.Disk) bool {
	bytes, known := d.Bytes()
	return known && isFixed(d) && bytes >= c.min && (c.max == 0 || bytes <= c.max)
}

// isFixed reports whether a disk may be written at all.
func isFixed(d machine.Disk) bool { return !d.Removable && !d.ReadOnly }

// pattern is a text to look for, in any case: with * or ? it must fit the whole value, without
// them it may stand anywhere in it. The empty pattern fits everything.
type pattern struct {
	text string
	glob bool
}

func newPattern(s string) pattern {
	return pattern{strings.ToLower(s), strings.ContainsAny(s, "*?")}
}

func (p pattern) matches(value string) bool {
	value = strings.ToLower(value)
	if !p.glob {
		return strings.Contains(value, p.text)
	}
	return glob([]rune(p.text), []rune(value))
}

// glob goes back to the last * only: it takes at most pattern times value steps.
func glob(p, v []rune) bool {
	i, j, star, mark := 0, 0, -1, 0
	for j < len(v) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == v[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
