package machine

import "fmt"

// BootMode is what the operator wants of a machine at its next boot. The appliance never
// changes it: one-shot behaviour is derived from the facts beside it.
type BootMode uint8

const (
	IPXEExit    BootMode = iota // boot the machine's own disk
	Inventory                   // report hardware, then boot the disk, and again
	TUI                         // the wizard
	FlashOnce                   // flash, then boot the disk for good
	FlashAlways                 // flash, boot the disk once, and again
)

// Modes lists every mode in the order in which people are shown them.
var Modes = []BootMode{IPXEExit, Inventory, TUI, FlashOnce, FlashAlways}

var modeNames = [...]string{"ipxe-exit", "bty-inventory", "bty-tui", "bty-flash-once", "bty-flash-always"}

func (m BootMode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("BootMode(%d)", uint8(m))
}

// ParseBootMode accepts the names on the wire.
func ParseBootMode(s string) (BootMode, error) {
	for i, name := range modeNames {
		if s == name {
			return BootMode(i), nil
		}
	}
	return 0, fmt.Errorf("unknown boot mode %q", s)
}

// Flashes reports whether the mode writes an image to a disk.
func (m BootMode) Flashes() bool { return m == FlashOnce || m == FlashAlways }

// Cycles reports whether the mode runs in cycles of arming, live environment and completion.
func (m BootMode) Cycles() bool { return m.Flashes() || m == Inventory }

// MarshalText makes BootMode a JSON string.
func (m BootMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText parses the names of ParseBootMode.
func (m *BootMode) UnmarshalText(b []byte) error {
	parsed, err := ParseBootMode(string(b))
	if err == nil {
		*m = parsed
	}
	return err
}
