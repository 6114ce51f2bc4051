package boot

import (
	"fmt"
	"testing"

	"bty/internal/catalog"
	"bty/internal/machine"
)

// What is set for the machine goes before what its image says, that before the setting for all; a "no" counts
// as much as a "yes". Where a person chooses, no image has been chosen yet.
func TestChoices(t *testing.T) {
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
		offer := func(mode machine.BootMode, asker Asker, verify bool) (Action, Chosen) {
			i := own(mode)
			know := Knowledge{Image: &catalog.Entry{Ref: i.Image}, Live: LiveFiles{Kernel: "k"}}
			if verify {
				i.Verify, know.Image.Verify, know.Verify = tt.own, tt.image, tt.setting
			} else {
				i.Grow, know.Image.Grow, know.Grow = tt.own, tt.image, tt.setting
			}
			o := Decide(machine.Machine{Intent: i}, know, Question{Asker: asker, Now: now}).Offer
			if verify {
				return o.Action, o.Verify
			}
			return o.Action, o.Grow
		}
		for _, verify := range []bool{false, true} {
			if action, got := offer(machine.FlashOnce, Live, verify); action != Flash || got != tt.flash {
				t.Errorf("%s, verify %t: a plan is offered %+v, want %+v", name, verify, got, tt.flash)
			}
			if action, got := offer(machine.FlashOnce, Firmware, verify); action != StartLive || got != tt.flash {
				t.Errorf("%s, verify %t: firmware is offered %+v, want %+v", name, verify, got, tt.flash)
			}
			if action, got := offer(machine.TUI, Live, verify); action != Wizard || got != tt.asked {
				t.Errorf("%s, verify %t: a wizard is offered %+v, want %+v", name, verify, got, tt.asked)
			}
			for _, mode := range []machine.BootMode{machine.Inventory, machine.IPXEExit} {
				if _, got := offer(mode, Live, verify); got != (Chosen{}) {
					t.Errorf("%s, %s, verify %t: %+v", name, mode, verify, got)
				}
			}
		}
	}
}
