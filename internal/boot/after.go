package boot

import (
	"fmt"

	"bty/internal/machine"
)

// Then says what comes after an offer has been carried out, in a sentence.
func (d Decision) Then(maxAttempts int) string {
	if maxAttempts <= 0 {
		maxAttempts = defaultMaxAttempts
	}
	switch d.Offer.Action {
	case StartLive:
		return d.thenLive(maxAttempts)
	case Flash:
		return "The live environment writes the image and reports. Done: the machine boots its own disk. Failed: nothing more is tried until it is armed again."
	case Report:
		return "The live environment posts the hardware inventory, then the machine reboots and asks again."
	case Wizard:
		return "The live environment shows the wizard and waits for a person."
	case LeaveToOrder:
		return "The firmware goes on with its boot order. The same answer follows until what is missing is there: " + d.Offer.Rule.Because() + "."
	case Unset:
		return "The machine boots its own disk. The same answer follows until an image is set."
	case Leave:
		return "The live environment has nothing to do and reboots the machine, which asks again as firmware."
	case BootDisk:
		return d.thenDisk()
	}
	return ""
}

func (d Decision) thenLive(maxAttempts int) string {
	m := d.After
	if !m.Intent.Mode.Cycles() {
		return "The machine starts the live environment, which asks for its plan."
	}
	s := fmt.Sprintf("The fetch of the kernel is start %d of at most %d in this cycle; the live environment then asks for its plan.", m.Facts.Attempts+1, maxAttempts)
	if m.Facts.Attempts+1 >= maxAttempts {
		s += " If no completion comes, the machine is stuck and boots its own disk until it is armed again."
	}
	return s
}

func (d Decision) thenDisk() string {
	m := d.After
	switch {
	case m.Facts.Halted():
		return "The machine boots its own disk, and goes on to do so until it is armed again."
	case d.Offer.Rule == RuleNoLiveFiles:
		return "The machine boots its own disk. The same answer follows until a live environment is installed."
	case m.Intent.Mode == machine.FlashAlways:
		return "The machine boots its own disk this time. The next power-on flashes it again."
	case m.Intent.Mode == machine.Inventory:
		return "The machine boots its own disk this time. The next power-on asks for its hardware again."
	}
	return "The machine boots its own disk, and goes on to do so until somebody or a rule changes what it is to do."
}
