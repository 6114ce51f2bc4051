package hardware

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
)

// system is the machine as a whole: DMI types 1 and 3, else what /sys or a device tree says.
func (s Source) system(table []structure) Node {
	sys, chassis := one(table, dmiSystem), one(table, dmiChassis)
	n := Node{
		ID: "host", Class: "system", Claimed: true, Handle: sys.name(), Width: 64,
		Description: first(chassisKinds[chassis.byte(5)&0x7f], "Computer"),
		Vendor:      first(sys.text(4), s.id("sys_vendor")),
		Product:     first(sys.text(5), s.id("product_name"), s.tree("model")),
		Version:     first(sys.text(6), s.id("product_version")),
		Serial:      first(sys.text(7), s.id("product_serial"), s.tree("serial-number")),
	}
	n.set("uuid", first(sys.uuid(), strings.ToLower(s.id("product_uuid"))))
	n.set("sku", first(sys.text(25), s.id("product_sku")))
	n.set("family", first(sys.text(26), s.id("product_family")))
	n.set("chassis", strings.ReplaceAll(strings.ToLower(chassisKinds[chassis.byte(5)&0x7f]), " ", "-"))
	n.set("chassis_serial", first(chassis.text(7), s.id("chassis_serial")))
	n.set("asset_tag", first(chassis.text(8), s.id("chassis_asset_tag")))
	n.set("boot", s.bootedBy())
	n.set("arch", runtime.GOARCH)
	return n
}

// board is the main board, the parent of everything on it (DMI type 2).
func (s Source) board(table []structure) Node {
	b := one(table, dmiBoard)
	return Node{
		ID: "core", Class: "bus", Claimed: true, Handle: b.name(), Description: "Motherboard", PhysID: "0",
		Vendor:  first(b.text(4), s.id("board_vendor")),
		Product: first(b.text(5), s.id("board_name")),
		Version: first(b.text(6), s.id("board_version")),
		Serial:  first(b.text(7), s.id("board_serial")),
	}
}

// firmware is the BIOS or UEFI (DMI type 0).
func (s Source) firmware(table []structure) []Node {
	b := one(table, dmiBIOS)
	n := Node{
		ID: "firmware", Class: "memory", Claimed: true, Description: "BIOS", PhysID: "0", Handle: b.name(),
		Vendor:  first(b.text(4), s.id("bios_vendor")),
		Version: first(b.text(5), s.id("bios_version")),
		Date:    first(b.text(8), s.id("bios_date")),
	}
	if n.Vendor == "" && n.Version == "" {
		return nil
	}
	if b.exists() {
		n.Units, n.Capacity = "bytes", romSize(b)
	}
	return []Node{n}
}

// romSize is the size of the firmware's chip (DSP0134, 7.1): 64 KiB times one more than the byte,
// or since SMBIOS 3.1 a larger number beside it.
func romSize(b structure) uint64 {
	if b.byte(9) != 0xff {
		return (uint64(b.byte(9)) + 1) << 16
	}
	extended := b.word(0x18)
	unit := uint64(1 << 20)
	if extended>>14 == 1 {
		unit = 1 << 30
	}
	return uint64(extended&0x3fff) * unit
}

// uuid is the machine's UUID (DSP0134, 7.2.1): the first three fields are little-endian since
// SMBIOS 2.6, and that is how DHCP option 97 and product_uuid spell it as well.
func (s structure) uuid() string {
	if len(s.data) < 24 {
		return ""
	}
	b := s.data[8:24]
	text := fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]),
		binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:])
	if strings.Trim(text, "0-") == "" || strings.Trim(text, "f-") == "" {
		return "" // not set, or not settable
	}
	return text
}

func (s Source) id(name string) string { return named(s.attr("class/dmi/id/" + name)) }

// tree reads the device tree that boards without DMI have, a Raspberry Pi for one.
func (s Source) tree(name string) string {
	data, _ := readFile(s.Proc, "device-tree/"+name, maxAttr)
	return named(strings.TrimRight(string(data), "\x00"))
}

func (s Source) bootedBy() string {
	if dir, err := s.Sys.Open("firmware/efi"); err == nil {
		dir.Close()
		return "uefi"
	}
	return "bios"
}

// chassisKinds are the enclosure types of DSP0134, 7.4.1.
var chassisKinds = map[byte]string{
	3: "Desktop Computer", 4: "Low Profile Desktop Computer", 5: "Pizza Box", 6: "Mini Tower Computer",
	7: "Tower Computer", 8: "Portable Computer", 9: "Laptop", 10: "Notebook", 11: "Hand Held",
	12: "Docking Station", 13: "All In One", 14: "Sub Notebook", 15: "Space-saving Computer",
	16: "Lunch Box", 17: "System", 23: "Rack Mount Chassis", 24: "Sealed-case PC", 25: "Multi-system",
	28: "Blade", 29: "Blade Enclosure", 30: "Tablet", 31: "Convertible", 32: "Detachable",
	33: "IoT Gateway", 34: "Embedded PC", 35: "Mini PC", 36: "Stick PC",
}
