package main

import "testing"

// A plan asks for the disk to be read back once somebody set that, and has no such word before.
func TestVerifyInPlans(t *testing.T) {
	a := start(t, nil)
	bind(a, "bty-flash-always")
	if _, said := a.plan()["verify"]; said {
		t.Error("a plan says verify although nobody set it")
	}
	a = start(t, map[string]string{"BTY_FLASH_VERIFY": "true"})
	bind(a, "bty-flash-always")
	if plan := a.plan(); plan["verify"] != true {
		t.Errorf("%v", plan)
	}
	put(a, mac1, `{"boot_mode":"bty-inventory"}`)
	if _, said := a.plan()["verify"]; said {
		t.Error("a plan that writes nothing says verify")
	}
}
