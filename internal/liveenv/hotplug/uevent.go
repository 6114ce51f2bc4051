// Package hotplug loads the driver of each device that the kernel announces, network first, and
// knows when the disks are there. Nothing is polled: the kernel's uevents tell of devices that
// appear behind a driver (virtio, usb, scsi, mmc), however late.
package hotplug

import (
	"bytes"
	"strings"
)

// uevent is what the kernel says about a device that appears or changes.
type uevent struct {
	action    string // "add", "bind", ...; empty when read from sysfs
	subsystem string
	modalias  string
	driver    string // the driver it has already
}

// parseMessage reads a message of the kernel's uevent socket: "add@/devices/..." and then
// KEY=value, each ended by a NUL. Messages of udev have another start; they are not ours.
func parseMessage(msg []byte) (uevent, bool) {
	head, rest, ok := bytes.Cut(msg, []byte{0})
	if !ok || !bytes.Contains(head, []byte("@/")) {
		return uevent{}, false
	}
	return parseFields(string(rest), "\x00"), true
}

// parseFile reads a file uevent of sysfs. It must be this file and not modalias: MMC cards have
// no modalias file, but MODALIAS=mmc:block in uevent.
func parseFile(text string) uevent { return parseFields(text, "\n") }

func parseFields(text, sep string) uevent {
	var e uevent
	for field := range strings.SplitSeq(text, sep) {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "ACTION":
			e.action = value
		case "SUBSYSTEM":
			e.subsystem = value
		case "MODALIAS":
			e.modalias = value
		case "DRIVER":
			e.driver = value
		}
	}
	return e
}
