package agent

import (
	"errors"
	"fmt"
	"strings"

	"bty/internal/machine"
)

// ErrNoSuchDisk means that no present disk has the serial; it may still appear.
var ErrNoSuchDisk = errors.New("no such disk")

// ErrAmbiguousDisk means that several disks have the serial; nothing is written.
var ErrAmbiguousDisk = errors.New("more than one such disk")

// MatchSerial finds the one disk with that serial. Both sides are trimmed: firmware pads.
func MatchSerial(disks []machine.Disk, serial string) (machine.Disk, error) {
	want := strings.TrimSpace(serial)
	var found []machine.Disk
	for _, d := range disks {
		if want != "" && d.SerialOrEmpty() == want {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return machine.Disk{}, fmt.Errorf("%w: none of the %d disks here has serial %q (%s)", ErrNoSuchDisk, len(disks), want, list(disks))
	}
	return machine.Disk{}, fmt.Errorf("%w: serial %q is on %s; nothing was written", ErrAmbiguousDisk, want, list(found))
}

// Describe is a disk in a few words: model, serial, size.
func Describe(d machine.Disk) string {
	var words []string
	for _, s := range []*string{d.Vendor, d.Model} {
		if s != nil && strings.TrimSpace(*s) != "" {
			words = append(words, strings.TrimSpace(*s))
		}
	}
	if len(words) == 0 {
		words = []string{"unknown model"}
	}
	text := strings.Join(words, " ") + ", serial " + either(d.SerialOrEmpty(), "not known")
	if d.Size != nil {
		text += ", " + *d.Size
	}
	return text
}

func list(disks []machine.Disk) string {
	if len(disks) == 0 {
		return "there is none"
	}
	var words []string
	for _, d := range disks[:min(len(disks), 8)] {
		words = append(words, d.Path+" "+either(d.SerialOrEmpty(), "without serial"))
	}
	return strings.Join(words, ", ")
}
