package boot

import (
	"fmt"
	"testing"

	"bty/internal/catalog"
	"bty/internal/machine"
)

// What is set for the machine goes before what its image says, that before the setting for all; a "no" counts
// as much as a "yes". Where a person chooses, no image has been chosen yet.
func TestGrow(t *testing.T) {
	const yes, no, none = catalog.Yes, catalog.No, catalog.Unsaid
	tests := []struct {
		own, image   catalog.Choice
		setting      bool
		flash, asked Chosen
	}{
		{none, none, false, Chosen{false, BySetting}, Chosen{false, BySetting}},
		{none, none, true, Chosen{true, BySetting}, Chosen{true, BySetting}},
		{none, yes, false, Chosen{true, ByImage}, Chosen{false, BySetting}},
		{none, yes, true, Chosen{true, ByImage}, Chosen{true, BySetting}},
		{none, no, false, Chosen{false, ByImage}, Chosen{false, BySetting}},
		{none, no, true, Chosen{false, ByImage}, Chosen{true, BySetting}},
		{yes, none, false, Chosen{true, ByMachine}, Chosen{true, ByMachine}},
		{yes, none, true, Chosen{true, ByMachine}, Chosen{true, ByMachine}},
		{yes, yes, false, Chosen{true, ByMachine}, Chosen{true, ByMachine}},
		{yes, yes, true, Chosen{true, ByMachine}, Chosen{true, ByMachine}},
		{yes, no, false, Chosen{true, ByMachine}, Chosen{true, ByMachine}},
		{yes, no, true, Chosen{true, ByMachine}, Chosen{true, ByMachine}},
		{no, none, false, Chosen{false, ByMachine}, Chosen{false, ByMachine}},
		{no, none, true, Chosen{false, ByMachine}, Chosen{false, ByMachine}},
		{no, yes, false, Chosen{false, ByMachine}, Chosen{false, ByMachine}},
		{no, yes, true, Chosen{false, ByMachine}, Chosen{false, ByMachine}},
		{no, no, false, Chosen{false, ByMachine}, Chosen{false, ByMachine}},
		{no, no, true, Chosen{false, ByMachine}, Chosen{false, ByMachine}},
	}
	for _, tt := range tests {
		name := fmt.Sprintf("machine %q, image %q, setting %t", tt.own, tt.image, tt.setting)
		offer := func(mode machine.BootMode, asker Asker) Offer {
			i := own(mode)
			i.Grow = tt.own
			know := Knowledge{Image: &catalog.Entry{Ref: i.Image, Grow: tt.image}, Grow: tt.setting, Live: LiveFiles{Kernel: "k"}}
			return Decide(machine.Machine{Intent: i}, know, Question{Asker: asker, Now: now}).Offer
		}
		if o := offer(machine.FlashOnce, Live); o.Action != Flash || o.Grow != tt.flash {
			t.Errorf("%s: a plan is offered %+v, want %+v", name, o.Grow, tt.flash)
		}
		if o := offer(machine.FlashOnce, Firmware); o.Action != StartLive || o.Grow != tt.flash {
			t.Errorf("%s: firmware is offered %+v, want %+v", name, o.Grow, tt.flash)
		}
		if o := offer(machine.TUI, Live); o.Action != Wizard || o.Grow != tt.asked {
			t.Errorf("%s: a wizard is offered %+v, want %+v", name, o.Grow, tt.asked)
		}
		for _, mode := range []machine.BootMode{machine.Inventory, machine.IPXEExit} {
			if o := offer(mode, Live); o.Grow != (Chosen{}) {
				t.Errorf("%s, %s: %+v", name, mode, o.Grow)
			}
		}
	}
}
