package ui

import (
	"strings"

	"bty/internal/catalog"
	"bty/internal/fleet"
	"bty/internal/machine"
)

// choice is one option of a form.
type choice struct {
	Value, Text, Help string
	Chosen, Disabled  bool
}

// modeHelp says what each boot mode does at the next boot.
var modeHelp = map[machine.BootMode]string{
	machine.IPXEExit:    "Boot its own disk. Nothing else happens.",
	machine.Inventory:   "Report its hardware, then boot its own disk. Again at the next boot.",
	machine.TUI:         "Show the wizard: a person at the machine chooses image and disk.",
	machine.FlashOnce:   "Write the image to the target disk once, then boot that disk for good.",
	machine.FlashAlways: "Write the image at every other boot: flash, boot the disk, flash again.",
}

// byRule is the choice that leaves the boot mode to the rules.
const byRule = "by-rule"

func modeChoices(own machine.Intent) []choice {
	list := []choice{{Value: byRule, Text: byRule, Help: "Let rules decide: what the list of rules says, or its default.", Chosen: own.Free}}
	for _, m := range machine.Modes {
		list = append(list, choice{Value: m.String(), Text: m.String(), Help: modeHelp[m], Chosen: !own.Free && m == own.Mode})
	}
	return list
}

// choices are the three things that can be said of something; unsaid is what saying nothing comes to.
func choices(now catalog.Choice, unsaid string) []choice {
	list := []choice{{Text: unsaid}, {Value: string(catalog.Yes), Text: "yes"}, {Value: string(catalog.No), Text: "no"}}
	for i := range list {
		list[i].Chosen = list[i].Value == string(now)
	}
	return list
}

func imageChoices(entries []catalog.Entry, now catalog.ImageRef) []choice {
	list := []choice{{Text: "none", Chosen: now.IsZero()}}
	known := now.IsZero()
	for _, e := range entries {
		text := []string{e.Name}
		if e.Format != "" {
			text = append(text, string(e.Format))
		}
		if e.Size > 0 {
			text = append(text, size(e.Size))
		}
		list = append(list, choice{Value: e.Ref.String(), Text: strings.Join(append(text, e.Ref.Short()), ", "), Chosen: e.Ref == now})
		known = known || e.Ref == now
	}
	if !known {
		list = append(list, choice{Value: now.String(), Text: now.Short() + " (not in the catalog)", Chosen: true})
	}
	return list
}

// diskChoices are the disks that the machine reported. One without a serial cannot be told from
// others, so that it is shown and cannot be chosen.
func diskChoices(r fleet.Record) []choice {
	if r.Hardware == nil {
		return nil
	}
	now := r.Own.TargetSerial
	list := []choice{{Text: "none", Chosen: now == ""}}
	known := now == ""
	for _, d := range r.Hardware.Disks {
		serial := d.SerialOrEmpty()
		c := choice{Value: serial, Text: diskText(d), Chosen: serial != "" && serial == now, Disabled: serial == ""}
		known = known || c.Chosen
		list = append(list, c)
	}
	if !known {
		list = append(list, choice{Value: now, Text: now + " (not among the disks that it reported)", Chosen: true})
	}
	return list
}

func diskText(d machine.Disk) string {
	text := []string{d.Path}
	for _, part := range []*string{d.Size, d.Model, d.Tran} {
		if part != nil && strings.TrimSpace(*part) != "" {
			text = append(text, strings.TrimSpace(*part))
		}
	}
	if d.Removable {
		text = append(text, "removable")
	}
	if serial := d.SerialOrEmpty(); serial != "" {
		return strings.Join(append(text, "serial "+serial), ", ")
	}
	return strings.Join(append(text, "no serial: cannot be chosen"), ", ")
}
