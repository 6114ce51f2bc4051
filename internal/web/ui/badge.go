package ui

import (
	"strings"

	"bty/internal/event"
	"bty/internal/machine"
)

// badge is a short word with a colour: of the tones quiet, info, good, warn, bad.
type badge struct{ Text, Tone, Title string }

// modeTones colour the boot modes by how much they change on a machine.
var modeTones = map[machine.BootMode]string{
	machine.IPXEExit: "quiet", machine.Inventory: "info", machine.TUI: "info", machine.FlashOnce: "warn", machine.FlashAlways: "bad",
}

var modeWords = map[machine.BootMode]string{
	machine.IPXEExit: "Boot the machine's own disk", machine.Inventory: "Report the hardware, then boot the disk",
	machine.TUI: "Show the wizard", machine.FlashOnce: "Flash once, then boot the disk", machine.FlashAlways: "Flash at every other boot",
}

func modeBadge(m machine.BootMode) badge {
	return badge{strings.TrimPrefix(m.String(), "bty-"), "mode mode-" + modeTones[m], m.String() + ": " + modeWords[m]}
}

func stateBadge(m machine.Machine) badge {
	b := badge{Text: m.State(), Tone: "quiet"}
	switch f := m.Facts; {
	case f.Halted():
		b.Tone, b.Title = "bad", f.Reason
	case f.Completed:
		b.Tone = "good"
	case f.Armed():
		b.Tone = "info"
	}
	return b
}

func kindBadge(k event.Kind) badge {
	b := badge{Text: string(k), Tone: "quiet"}
	subject, _, _ := strings.Cut(string(k), ".")
	switch {
	case k.Alarms():
		b.Tone = "bad"
	case k == event.MachineFlashed:
		b.Tone = "good"
	case subject == "machine":
		b.Tone = "info"
	}
	return b
}
