// Package disk finds the block devices that an image may be put on, tells them apart by serial
// number, and opens one of them exclusively for writing. It reads sysfs and asks the kernel; it
// runs no program.
package disk

import (
	"errors"
	"fmt"
	"strings"

	"bty/internal/machine"
)

// Kinds of failure, for errors.Is.
var (
	ErrNoDisk    = errors.New("there is no such disk")
	ErrAmbiguous = errors.New("more than one disk fits")
	ErrBusy      = errors.New("the disk is in use")
	ErrReadOnly  = errors.New("the disk is read-only")
)

// Host says where a machine's devices are described; tests point it at a tree of their own.
type Host struct {
	Sys  string // sysfs
	Proc string // procfs
	Dev  string // device nodes
	Udev string // udev's database, which need not exist
	Ask  bool   // ask the devices themselves for what sysfs does not tell
}

// System is the machine that the program runs on.
func System() Host {
	return Host{Sys: "/sys", Proc: "/proc", Dev: "/dev", Udev: "/run/udev/data", Ask: true}
}

// Device is one whole disk.
type Device struct {
	Name       string // "sda"
	Path       string // "/dev/sda"
	Size       int64  // bytes
	Vendor     string
	Model      string
	Serial     string   // "" = it has none
	Aliases    []string // further serial numbers that it is known by, and its WWN
	WWN        string
	Transport  string // as lsblk says it: nvme, sata, usb, virtio, mmc, sas, fc, iscsi, ...
	Removable  bool
	ReadOnly   bool
	Logical    int // bytes in a logical block
	Physical   int // bytes in a physical block
	Partitions []Partition
	Uses       []Use // why it must not be written
}

// Partition is a part of a disk that the kernel knows.
type Partition struct {
	Name   string
	Number int
	Start  int64 // bytes
	Size   int64
}

// Use is one thing that a disk or a part of it is used for.
type Use struct {
	Node string // "sda2"
	What string // "mounted on /var", "swap", "held by dm-0"
}

func (u Use) String() string { return u.Node + " is " + u.What }

// Busy is nil, or an ErrBusy that says who uses the disk.
func (d Device) Busy() error {
	if len(d.Uses) == 0 {
		return nil
	}
	uses := make([]string, 0, 4)
	for _, u := range d.Uses {
		if len(uses) == 4 {
			uses = append(uses, fmt.Sprintf("and %d more", len(d.Uses)-4))
			break
		}
		uses = append(uses, u.String())
	}
	return fmt.Errorf("%w: %s: %s", ErrBusy, d.Path, strings.Join(uses, ", "))
}

// Mountpoints lists where the disk and its partitions are mounted.
func (d Device) Mountpoints() []string {
	var points []string
	for _, u := range d.Uses {
		if p, ok := strings.CutPrefix(u.What, "mounted on "); ok {
			points = append(points, p)
		}
	}
	return points
}

// String names the disk for people.
func (d Device) String() string {
	var facts []string
	if d.Serial != "" {
		facts = append(facts, "serial "+d.Serial)
	} else {
		facts = append(facts, "no serial")
	}
	if d.Model != "" {
		facts = append(facts, d.Model)
	}
	return d.Path + " (" + strings.Join(append(facts, HumanSize(d.Size)), ", ") + ")"
}

// ToMachineDisk is the disk as the inventory reports it.
func (d Device) ToMachineDisk() machine.Disk {
	opt := func(s string, most int) *string {
		if s == "" {
			return nil
		}
		s = clip(s, most)
		return &s
	}
	// The server rejects a whole inventory for one over-long field.
	return machine.Disk{
		Path: clip(d.Path, 255), Size: opt(HumanSize(d.Size), 32), Vendor: opt(d.Vendor, 64), Model: opt(d.Model, 128),
		Serial: opt(d.Serial, 128), Tran: opt(d.Transport, 32), Removable: d.Removable, ReadOnly: d.ReadOnly,
	}
}

func clip(s string, most int) string {
	s = strings.ToValidUTF8(s, "?")
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}

// Match finds the one disk that serial names: by its serial number or its WWN, exactly, after
// trimming blanks. Anything but one is an error that lists what is there.
func Match(devices []Device, serial string) (Device, error) {
	serial = strings.TrimSpace(serial)
	if serial == "" {
		return Device{}, fmt.Errorf("%w: no serial number was given; %s", ErrNoDisk, present(devices))
	}
	var found []Device
	for _, d := range devices {
		if d.knownAs(serial) {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 0:
		return Device{}, fmt.Errorf("%w: no disk has the serial number %q; %s", ErrNoDisk, serial, present(devices))
	case 1:
		return found[0], nil
	}
	return Device{}, fmt.Errorf("%w: %d disks have the serial number %q; %s", ErrAmbiguous, len(found), serial, present(found))
}

func (d Device) knownAs(serial string) bool {
	for _, s := range append([]string{d.Serial, d.WWN}, d.Aliases...) {
		if s = strings.TrimSpace(s); s != "" && s == serial {
			return true
		}
	}
	return false
}

func present(devices []Device) string {
	if len(devices) == 0 {
		return "no disk is present"
	}
	names := make([]string, len(devices))
	for i, d := range devices {
		names[i] = d.String()
	}
	return "present: " + strings.Join(names, ", ")
}

// HumanSize writes a size as lsblk does: the largest unit of 1024 that fits, one digit behind
// the point, none if it is zero.
func HumanSize(n int64) string {
	const units = "BKMGTPE"
	exp := 0
	for exp < len(units)-1 && n>>(10*(exp+1)) > 0 {
		exp++
	}
	whole := n >> (10 * exp)
	frac := n & (1<<(10*exp) - 1)
	if exp > 5 {
		frac >>= 10 // or the product below would not fit
		frac = frac * 1000 >> (10 * (exp - 1))
	} else {
		frac = frac * 1000 >> (10 * exp)
	}
	if frac = (frac + 50) / 100; frac == 10 {
		whole, frac = whole+1, 0
	}
	if frac == 0 {
		return fmt.Sprintf("%d%c", whole, units[exp])
	}
	return fmt.Sprintf("%d.%d%c", whole, frac, units[exp])
}
