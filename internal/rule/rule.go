// Package rule decides what a machine is to do where nobody said so for the machine itself: a
// rule selects machines by what is known of them and assigns a boot mode, an image and a way to
// choose the target disk. It is pure.
package rule

import (
	"strings"
	"time"

	"bty/internal/catalog"
	"bty/internal/machine"
)

// ID names a rule for good: no other rule ever gets it.
type ID uint64

// Rule is one line of the list that is asked from the top.
type Rule struct {
	ID       ID         `json:"id"`
	Name     string     `json:"name"`
	Order    int        `json:"order"` // the smaller is asked first
	Selector Selector   `json:"selector"`
	Assign   Assignment `json:"assign"`

	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Selector says which machines a rule is for. What is empty is not asked; all that is asked must
// hold. Without anything it selects every machine.
type Selector struct {
	Labels    []string `json:"labels,omitempty"`     // all of these
	NotLabels []string `json:"not_labels,omitempty"` // none of these
	MACPrefix string   `json:"mac_prefix,omitempty"` // as CanonicalPrefix writes it
	Vendor    string   `json:"vendor,omitempty"`     // pattern
	Product   string   `json:"product,omitempty"`    // pattern
	Arch      string   `json:"arch,omitempty"`       // as iPXE names it: x86_64, arm64, i386
	DiskMin   string   `json:"disk_min,omitempty"`   // some fixed disk has this size or more
	DiskMax   string   `json:"disk_max,omitempty"`   // and this or less
}

// Assignment is what a rule says. What it leaves out, the next rule that matches may say.
type Assignment struct {
	Mode  *machine.BootMode `json:"boot_mode,omitempty"`
	Image catalog.ImageRef  `json:"image,omitzero"`
	Disk  *DiskRule         `json:"disk,omitempty"`
}

// IsEmpty reports whether it says nothing.
func (a Assignment) IsEmpty() bool { return a.Mode == nil && a.Image.IsZero() && a.Disk == nil }

// Pick is how a disk rule chooses among the disks that it accepts.
type Pick string

const (
	Only     Pick = "only"     // there must be just one
	Smallest Pick = "smallest" // by the size that was reported
	Largest  Pick = "largest"
)

// Picks lists them in the order in which people are shown them.
var Picks = []Pick{Only, Smallest, Largest}

// DiskRule chooses the target disk among those that a machine reported. What is empty is not asked.
type DiskRule struct {
	Pick      Pick   `json:"pick"`
	Transport string `json:"transport,omitempty"` // nvme, sata, sas
	Model     string `json:"model,omitempty"`     // pattern
	Min       string `json:"min,omitempty"`
	Max       string `json:"max,omitempty"`
}

// Set is the rules in the order in which they are asked, ready to be asked quickly. It is never
// changed: who changes a rule makes another Set.
type Set struct {
	Rules   []Rule
	Default Assignment // for what no rule says
	checks  []check
	disks   []choice // of Rules
	last    choice   // of Default

	asksHardware bool // a rule looks at it
}

// fallbackMode is the boot mode where nothing else says one.
const fallbackMode = machine.Inventory

// DefaultMode is the boot mode of a machine that nobody and no rule says anything about.
func (s *Set) DefaultMode() machine.BootMode {
	if s == nil || s.Default.Mode == nil {
		return fallbackMode
	}
	return *s.Default.Mode
}

// CanonicalPrefix writes the beginning of a MAC in lower case with colons; it may end within an
// octet. It takes what ParseTypedMAC takes, cut off anywhere.
func CanonicalPrefix(s string) (string, bool) {
	var b strings.Builder
	digits := 0
	for _, r := range strings.ToLower(strings.TrimSpace(s)) {
		switch {
		case strings.ContainsRune(":-.", r):
			continue
		case !strings.ContainsRune("0123456789abcdef", r) || digits == 12:
			return "", false
		case digits > 0 && digits%2 == 0:
			b.WriteByte(':')
		}
		b.WriteRune(r)
		digits++
	}
	return b.String(), digits > 0
}

// String says for people which machines a rule is for.
func (s Selector) String() string {
	var parts []string
	add := func(text, value string) {
		if value != "" {
			parts = append(parts, text+" "+value)
		}
	}
	add("with", strings.Join(s.Labels, " and "))
	add("without", strings.Join(s.NotLabels, " and "))
	add("MAC", s.MACPrefix)
	add("vendor", s.Vendor)
	add("product", s.Product)
	add("architecture", s.Arch)
	add("a disk of at least", s.DiskMin)
	add("a disk of at most", s.DiskMax)
	if len(parts) == 0 {
		return "every machine"
	}
	return strings.Join(parts, ", ")
}
