package main

import "testing"

// A plan asks for the disk to be read back, and for the last partition to be grown, once somebody
// set that, also where a person chooses; it has no such word before, and none where nothing is written.
func TestOptionsInPlans(t *testing.T) {
	for word, variable := range map[string]string{"verify": "BTY_FLASH_VERIFY", "grow": "BTY_FLASH_GROW"} {
		a := start(t, nil)
		bind(a, "bty-flash-always")
		if _, said := a.plan()[word]; said {
			t.Errorf("a plan says %s although nobody set it", word)
		}
		a = start(t, map[string]string{variable: "true"})
		for mode, want := range map[string]bool{"bty-flash-always": true, "bty-tui": true, "bty-inventory": false, "ipxe-exit": false} {
			bind(a, mode)
			plan := a.plan()
			if got, said := plan[word]; said != want || want && got != true {
				t.Errorf("%s: %v", mode, plan)
			}
		}
	}
}
