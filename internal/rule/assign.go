package rule

import (
	"crypto/sha256"
	"encoding/hex"

	"bty/internal/catalog"
	"bty/internal/machine"
)

// Origin is who decided about a part of what a machine is to do.
type Origin uint8

const (
	Nobody  Origin = iota // nobody did: there is none
	Own                   // set for the machine itself
	ByRule                // a rule did
	Default               // no rule said anything
)

// By names who decided.
type By struct {
	Origin Origin
	Rule   ID // for ByRule
}

// Verdict is what one rule came to for one machine.
type Verdict struct {
	Rule ID
	Miss Miss
}

// Assigned is what a machine is to do, and who decided each part of it.
type Assigned struct {
	Mode   machine.BootMode
	Image  catalog.ImageRef
	Serial string // of the target disk

	ModeBy, ImageBy, DiskBy By

	// NoDisk says why a disk rule chose none; "" if it chose one or none was asked.
	NoDisk string
	// First is set if a rule wants a flash, but the disks are not known yet: Mode is the inventory
	// that comes first, and this the mode that the rule wants.
	First *machine.BootMode
	// Verdicts is what the rules came to that were asked: none after the last part was decided. Only
	// AssignTraced has them.
	Verdicts []Verdict
}

// Assign decides what a machine is to do. What was set for the machine itself always wins; of the
// rules the first that matches and says something about a part decides it, for each part alone.
// Image and disk are asked of the rules only for a mode that flashes. h is nil for a machine that
// never reported its hardware.
func Assign(m machine.Machine, h *machine.Hardware, s *Set) Assigned {
	return assign(&m, h, s, false)
}

// AssignTraced does the same and says what each rule came to that was asked.
func AssignTraced(m machine.Machine, h *machine.Hardware, s *Set) Assigned {
	return assign(&m, h, s, true)
}

func assign(m *machine.Machine, h *machine.Hardware, s *Set, isTraced bool) Assigned {
	var a assigner
	a.own(m.Intent)
	if s != nil {
		a.ask(m, h, s, isTraced)
	}
	a.settle(h)
	return a.Assigned
}

// assigner gathers what is said. It keeps no pointer to the machine: a list asks for thousands.
type assigner struct {
	Assigned
	image  catalog.ImageRef // that a rule says, should the mode flash
	disk   choice
	diskBy By
	byRule By // of image
}

func (a *assigner) own(i machine.Intent) {
	if !i.Free {
		a.Mode, a.ModeBy = i.Mode, By{Origin: Own}
	}
	if !i.Image.IsZero() {
		a.Image, a.ImageBy = i.Image, By{Origin: Own}
	}
	if i.TargetSerial != "" {
		a.Serial, a.DiskBy = i.TargetSerial, By{Origin: Own}
	}
}

// isDecided reports whether no rule can say anything more that counts.
func (a *assigner) isDecided() bool {
	if a.ModeBy.Origin == Nobody {
		return false
	}
	return !a.Mode.Flashes() ||
		(a.ImageBy.Origin != Nobody || a.byRule.Origin != Nobody) && (a.DiskBy.Origin != Nobody || a.diskBy.Origin != Nobody)
}

func (a *assigner) ask(m *machine.Machine, h *machine.Hardware, s *Set, isTraced bool) {
	for i := range s.Rules {
		if a.isDecided() {
			return
		}
		r := &s.Rules[i]
		miss := s.checks[i].miss(m, h)
		if isTraced {
			if a.Verdicts == nil {
				a.Verdicts = make([]Verdict, 0, len(s.Rules))
			}
			a.Verdicts = append(a.Verdicts, Verdict{r.ID, miss})
		}
		if miss == Matches {
			a.take(&r.Assign, s.disks[i], By{ByRule, r.ID})
		}
	}
	a.take(&s.Default, s.last, By{Origin: Default})
}

// Verdicts asks every rule, also those that come after the last part was decided.
func (s *Set) Verdicts(m machine.Machine, h *machine.Hardware) []Verdict {
	var all []Verdict
	for i := range s.Rules {
		all = append(all, Verdict{s.Rules[i].ID, s.checks[i].miss(&m, h)})
	}
	return all
}

// take keeps what nobody has said before.
func (a *assigner) take(said *Assignment, disk choice, by By) {
	if a.ModeBy.Origin == Nobody && said.Mode != nil {
		a.Mode, a.ModeBy = *said.Mode, by
	}
	if a.byRule.Origin == Nobody && !said.Image.IsZero() {
		a.image, a.byRule = said.Image, by
	}
	if a.diskBy.Origin == Nobody && said.Disk != nil {
		a.disk, a.diskBy = disk, by
	}
}

// settle makes one intent of what was said.
func (a *assigner) settle(h *machine.Hardware) {
	if a.ModeBy.Origin == Nobody {
		a.Mode, a.ModeBy = fallbackMode, By{Origin: Default}
	}
	if !a.Mode.Flashes() {
		return
	}
	if a.ImageBy.Origin == Nobody {
		a.Image, a.ImageBy = a.image, a.byRule
	}
	if a.DiskBy.Origin != Nobody || a.diskBy.Origin == Nobody {
		return
	}
	a.DiskBy = a.diskBy
	if h == nil {
		a.NoDisk = whyUnknown
		a.inventoryFirst()
		return
	}
	a.Serial, a.NoDisk = a.disk.of(h.Disks)
}

// inventoryFirst has a machine report its disks before a rule that chooses one of them can flash
// it. Where a person set the mode, that stands.
func (a *assigner) inventoryFirst() {
	if a.ModeBy.Origin == Own {
		return
	}
	wanted := a.Mode
	a.First, a.Mode = &wanted, machine.Inventory
	if a.ImageBy.Origin != Own {
		a.Image, a.ImageBy = catalog.ImageRef{}, By{}
	}
	a.DiskBy = By{}
}

// Mark tells assignments apart whose facts must not be mixed. Image and disk count only where they
// are used. It is in two parts: mode and image, and the disk.
func (a Assigned) Mark() string {
	var b [2 * sumLength]byte
	return string(a.mark(&b))
}

// mark writes it without a copy: each contact asks for it.
func (a *Assigned) mark(b *[2 * sumLength]byte) []byte {
	var text [96]byte
	what := append(text[:0], a.Mode.String()...)
	if !a.Mode.Flashes() {
		sum(b[:sumLength], what)
		return b[:sumLength]
	}
	sum(b[:sumLength], append(append(what, 0), a.Image[:]...))
	sum(b[sumLength:], append(text[:0], a.Serial...))
	return b[:]
}

// Continues reports whether what was marked belongs to this assignment. A disk that a rule cannot
// tell for now is no other disk: a second disk that comes and goes must not have the first one
// flashed again.
func (a Assigned) Continues(mark string) bool {
	var b [2 * sumLength]byte
	now := a.mark(&b)
	if a.NoDisk != "" && len(mark) == len(now) {
		return mark[:sumLength] == string(now[:sumLength])
	}
	return mark == string(now)
}

// sumLength is short: a mark stands in every machine's record, and only needs to differ.
const sumLength = 12

func sum(to, text []byte) {
	digest := sha256.Sum256(text)
	hex.Encode(to, digest[:sumLength/2])
}
