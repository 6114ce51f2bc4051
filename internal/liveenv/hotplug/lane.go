package hotplug

import "strings"

// diskPrefixes are the beginnings of modaliases that lead to disks or keyboards and never to a
// wired NIC on a bus of its own.
var diskPrefixes = []string{
	"scsi:", "usb:", "mmc:", "hid:", "nvme", "input:", "serio:",
	"virtio:d00000002", // block
	"virtio:d00000008", // scsi
}

// waits says whether a device's driver waits until the NIC's driver is in. The kernel ends the
// loading of a module only when all probing under way is over (async_synchronize_full in
// do_init_module): a NIC's driver that comes after a disk controller's waits for the spin-up
// of every disk.
func waits(modalias string) bool {
	if strings.HasPrefix(modalias, "pci:") {
		return !strings.Contains(modalias, "bc02") && !isVirtio(modalias)
	}
	for _, p := range diskPrefixes {
		if strings.HasPrefix(modalias, p) {
			return true
		}
	}
	return false
}

// isVirtio: the bus driver of a virtio NIC is that of virtio disks too, and quick.
func isVirtio(modalias string) bool { return strings.HasPrefix(modalias, "pci:v00001AF4d00001") }
