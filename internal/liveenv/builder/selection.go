package builder

import (
	"path"
	"strings"
)

// wanted lists what a bare machine may need to reach the network and its disks, and a person
// to type or to bring images on a stick: folders (with a slash at the end) and modules, as paths below lib/modules/*/kernel.
// Only what a device asks for is loaded, so width costs size, not time.
var wanted = []string{
	// Network: every wired NIC, and what sits between a NIC and its cable.
	"drivers/net/ethernet/", "drivers/net/phy/", "drivers/net/mdio/", "drivers/net/pcs/",
	"drivers/net/usb/", "drivers/net/hyperv/", "drivers/net/vmxnet3/", "drivers/net/fjes/",
	"drivers/net/virtio_net", "drivers/net/xen-netfront", "net/packet/af_packet", "net/8021q/",

	// Disks.
	"drivers/nvme/host/", "drivers/ata/", "drivers/scsi/", "drivers/message/fusion/", "drivers/ufs/",
	"drivers/block/virtio_blk", "drivers/block/xen-blkfront", "drivers/block/mtip32xx/",
	"drivers/mmc/", "drivers/usb/storage/",

	// Buses that hide disks and NICs. vmd holds NVMe disks on many servers.
	"drivers/virtio/", "drivers/hv/", "drivers/pci/", "drivers/xen/xen-platform-pci",
	"drivers/usb/core/", "drivers/usb/common/", "drivers/usb/host/",

	// Keyboards, for the wizard.
	"drivers/hid/hid", "drivers/hid/hid-generic", "drivers/hid/hid-apple", "drivers/hid/hid-hyperv",
	"drivers/hid/hid-logitech", "drivers/hid/hid-logitech-dj", "drivers/hid/hid-logitech-hidpp",
	"drivers/hid/hid-microsoft", "drivers/hid/usbhid/", "drivers/input/serio/hyperv-keyboard",
	"drivers/input/keyboard/atkbd", "drivers/input/serio/i8042",

	// A stick with images, and the tables without which a kernel mounts no FAT: it asks for them
	// by name, and no module depends on them.
	"fs/exfat/", "fs/fat/", "fs/isofs/", "fs/nls/nls_cp437", "fs/nls/nls_ascii", "fs/nls/nls_iso8859-1",
	"fs/nls/nls_utf8",

	"drivers/char/virtio_console", "fs/efivarfs/",
	"drivers/char/hw_random/", // TLS waits for randomness where the processor has none
}

// wantedARM64 are the parts that x86 firmware sets up by itself: clocks, regulators, resets and
// pins stand between an ARM board's kernel and its NIC and disks.
var wantedARM64 = []string{
	"drivers/phy/", "drivers/clk/", "drivers/pinctrl/", "drivers/regulator/", "drivers/reset/",
	"drivers/mailbox/", "drivers/soc/", "drivers/gpio/", "drivers/bus/", "drivers/dma/",
	"drivers/interconnect/", "drivers/nvmem/", "drivers/firmware/", "drivers/hwspinlock/",
	"drivers/mfd/", "drivers/i2c/busses/", "drivers/spi/", "drivers/pwm/", "drivers/pmdomain/",
	"drivers/usb/dwc2/", "drivers/usb/dwc3/", "drivers/usb/chipidea/", "drivers/usb/musb/",
	"drivers/usb/cdns3/", "drivers/usb/phy/", "drivers/usb/roles/", "drivers/extcon/",
}

// unwanted are inside of wanted folders and no use here: test drivers, switches that run a
// network operating system of their own, drivers for the far end of a virtual link, protocols
// that need a daemon in user space.
var unwanted = []string{
	"drivers/scsi/scsi_debug", "drivers/net/ethernet/mellanox/mlxsw/",
	"drivers/scsi/fcoe/", "drivers/scsi/bnx2fc/", "drivers/scsi/bnx2i/", "drivers/scsi/cxgbi/",
	"drivers/scsi/qedf/", "drivers/scsi/qedi/", "drivers/scsi/be2iscsi/", "drivers/scsi/iscsi_tcp",
	"drivers/pci/endpoint/", "drivers/hv/hv_balloon",
	"drivers/virtio/virtio_balloon", "drivers/virtio/virtio_mem",
}

// selects says whether the module in file (a path below kernel/) is wanted for itself; what it
// depends on comes along anyway.
func selects(file string, arch Arch) bool {
	dir, base := path.Split(file)
	name, _, _ := strings.Cut(base, ".ko")
	full := dir + name
	if anyCovers(unwanted, full) {
		return false
	}
	return anyCovers(wanted, full) || arch == ARM64 && anyCovers(wantedARM64, full)
}

func anyCovers(patterns []string, file string) bool {
	for _, p := range patterns {
		if p == file || strings.HasSuffix(p, "/") && strings.HasPrefix(file, p) {
			return true
		}
	}
	return false
}
