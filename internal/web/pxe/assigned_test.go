package pxe

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"bty/internal/boot"
	"bty/internal/catalog"
	"bty/internal/golden"
	"bty/internal/machine"
	"bty/internal/rule"
)

// The table of what rules make of a machine: testdata/assigned.txt. Each row is one history of a
// machine: what it was made of, what was changed, and what it gets now.

func mode(m machine.BootMode) *machine.BootMode { return &m }

func disks(serials ...string) *machine.Hardware {
	h := &machine.Hardware{Vendor: "Dell Inc.", Product: "PowerEdge R640", Disks: []machine.Disk{}}
	for i := range serials {
		h.Disks = append(h.Disks, machine.Disk{Path: fmt.Sprintf("/dev/sd%c", 'a'+i), Serial: &serials[i]})
	}
	return h
}

var other = &catalog.Entry{Ref: mustRef("https://images.example/other.img.zst"), Name: "other.img.zst", Src: "https://images.example/other.img.zst"}

var gone = &catalog.Entry{Ref: mustRef("https://images.example/gone.img.zst"), Name: "gone.img.zst"}

// world is what stands around a machine at one moment.
type world struct {
	rules *rule.Set
	hw    *machine.Hardware
}

func ruled(rules ...rule.Rule) *rule.Set { return rule.NewSet(rules, rule.Assignment{}) }

func flashRule(id rule.ID, m machine.BootMode, image *catalog.Entry, pick rule.Pick, s rule.Selector) rule.Rule {
	return rule.Rule{ID: id, Order: int(id), Selector: s, Assign: rule.Assignment{Mode: &m, Image: image.Ref, Disk: &rule.DiskRule{Pick: pick}}}
}

func TestAssigned(t *testing.T) {
	free := machine.Intent{Mode: machine.Inventory, Free: true}
	labelled := machine.Intent{Mode: machine.Inventory, Free: true, Labels: []string{"lab"}}
	exit := machine.Intent{Mode: machine.IPXEExit}
	pinned := machine.Intent{Mode: machine.FlashAlways, Image: other.Ref, TargetSerial: "MINE"}
	all := flashRule(1, machine.FlashOnce, entry, rule.Only, rule.Selector{})
	lab := rule.Selector{Labels: []string{"lab"}}
	dell := rule.Selector{Vendor: "dell*"}
	onlyMode := rule.Rule{ID: 2, Order: 2, Assign: rule.Assignment{Mode: mode(machine.TUI)}}
	noDisk := rule.Rule{ID: 3, Order: 3, Assign: rule.Assignment{Mode: mode(machine.FlashOnce), Image: entry.Ref}}
	one, two := disks("A"), disks("A", "B")
	byDefault := rule.NewSet(nil, rule.Assignment{Mode: mode(machine.IPXEExit)})
	rows := []struct {
		name        string
		intent      machine.Intent
		before, now world // before: where its last cycle was completed
	}{
		{"no rules, never saved", free, world{}, world{}},
		{"no rules, another default", free, world{}, world{byDefault, nil}},
		{"own setting wins over the default", pinned, world{}, world{byDefault, nil}},
		{"own setting wins over a rule", exit, world{}, world{ruled(all), one}},
		{"own flash setting wins in each part", pinned, world{}, world{ruled(all), one}},
		{"own mode, image and disk by rule", machine.Intent{Mode: machine.FlashAlways}, world{}, world{ruled(all), one}},
		{"own mode, disks not known yet", machine.Intent{Mode: machine.FlashAlways}, world{}, world{ruled(all), nil}},
		{"rule assigns", free, world{}, world{ruled(all), one}},
		{"rule assigns, disks not known: inventory first", free, world{}, world{ruled(all), nil}},
		{"rule without a usable disk", free, world{}, world{ruled(all), two}},
		{"rule without a disk at all", free, world{}, world{ruled(all), disks()}},
		{"rule without a disk rule", free, world{}, world{ruled(noDisk), one}},
		{"rule for others", free, world{}, world{ruled(flashRule(1, machine.FlashOnce, entry, rule.Only, lab)), one}},
		{"rule by label", labelled, world{}, world{ruled(flashRule(1, machine.FlashOnce, entry, rule.Only, lab)), one}},
		{"rule by vendor", free, world{}, world{ruled(flashRule(1, machine.FlashOnce, entry, rule.Only, dell)), one}},
		{"rule by vendor, hardware not known", free, world{}, world{ruled(flashRule(1, machine.FlashOnce, entry, rule.Only, dell)), nil}},
		{"the first rule that matches", free, world{}, world{ruled(all, onlyMode), one}},
		{"rule with an image that is gone", free, world{}, world{ruled(flashRule(1, machine.FlashOnce, gone, rule.Only, rule.Selector{})), one}},

		{"nothing changed", free, world{ruled(all), one}, world{ruled(all), one}},
		{"rule saved again unchanged", free, world{ruled(all), one}, world{ruled(all, onlyMode), one}},
		{"rule change of the image arms", free, world{ruled(all), one}, world{ruled(flashRule(1, machine.FlashOnce, other, rule.Only, rule.Selector{})), one}},
		{"rule change of the mode arms", free, world{ruled(all), one}, world{ruled(flashRule(1, machine.FlashAlways, entry, rule.Only, rule.Selector{})), one}},
		{"rule change of how the same disk is chosen", free, world{ruled(all), one}, world{ruled(flashRule(1, machine.FlashOnce, entry, rule.Largest, rule.Selector{})), one}},
		{"rule deleted", free, world{ruled(all), one}, world{nil, one}},
		{"the disk was replaced", free, world{ruled(all), one}, world{ruled(all), disks("C")}},
		{"a second disk came", free, world{ruled(all), one}, world{ruled(all), two}},
		{"rule change beside an own setting", pinned, world{ruled(all), one}, world{nil, one}},
		{"rule change that an own setting covers", pinned, world{nil, one}, world{ruled(all), one}},
	}
	images := map[catalog.ImageRef]*catalog.Entry{entry.Ref: entry, other.Ref: other}
	var table bytes.Buffer
	fmt.Fprintf(&table, "%-48s %-8s %-8s | %-17s %-24s %-18s | %s\n", "history", "cycle", "asker", "mode", "image", "disk", "rule")
	for _, row := range rows {
		for _, asker := range []boot.Asker{boot.Firmware, boot.Live} {
			m := machine.Machine{MAC: machine.MAC{0x52, 0x54, 0, 0, 0, 1}, Intent: row.intent}
			cycle := "fresh"
			if row.before != (world{}) {
				m.Facts = machine.Facts{Under: rule.Assign(m, row.before.hw, row.before.rules).Mark(), Attempts: 1, Completed: true}
				cycle = "done"
			}
			a := rule.Assign(m, row.now.hw, row.now.rules)
			know := boot.Knowledge{Assigned: &a, Live: boot.LiveFiles{Kernel: "k", Initrd: "i"}}
			if ref, ok := boot.Bound(a); ok {
				know.Image = images[ref]
			}
			d := boot.Decide(m, know, boot.Question{Asker: asker, Now: noon})
			if d.Next.Intent.Mode != row.intent.Mode || d.Next.Intent.Image != row.intent.Image || d.Next.Intent.TargetSerial != row.intent.TargetSerial {
				t.Errorf("%s: what the operator set was rewritten: %+v", row.name, d.Next.Intent)
			}
			fmt.Fprintf(&table, "%-48s %-8s %-8s | %-17s %-24s %-18s | %s\n", row.name, cycle, askerName(asker),
				part(a.Mode.String(), a.ModeBy), part(imageName(a.Image), a.ImageBy), part(a.Serial, a.DiskBy), d.Offer.Rule)
			if trace := d.Offer.Trace(); len(trace) > boot.MaxTrace {
				t.Errorf("%s: the trace has %d bytes", row.name, len(trace))
			}
		}
	}
	golden.Check(t, "assigned.txt", table.Bytes())
}

func imageName(ref catalog.ImageRef) string {
	switch ref {
	case entry.Ref:
		return entry.Name
	case other.Ref:
		return other.Name
	case gone.Ref:
		return gone.Name
	}
	return ""
}

// part is a value with who decided it: "=" the machine itself, "#1" a rule, "*" the default.
func part(value string, by rule.By) string {
	value = strings.TrimPrefix(value, "bty-")
	switch by.Origin {
	case rule.Own:
		return value + " ="
	case rule.ByRule:
		return fmt.Sprintf("%s #%d", value, by.Rule)
	case rule.Default:
		return value + " *"
	}
	return "-"
}
