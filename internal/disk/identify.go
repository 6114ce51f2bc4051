package disk

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// identify fills in who the disk is. Bindings are made by the serial number that lsblk showed
// when the machine was inventoried, and lsblk takes it from udev where that runs. So udev's word
// comes first where there is one, and every other number that a tool may have shown is an alias.
func (h Host) identify(d *Device) {
	d.Vendor = h.attr(d.Name, "device", "vendor")
	d.Model = h.attr(d.Name, "device", "model")
	d.Transport = h.transport(d.Name)
	var serials []string
	switch {
	case strings.HasPrefix(d.Name, "vd"):
		serials = []string{h.attr(d.Name, "serial")}
	case strings.HasPrefix(d.Name, "mmcblk"):
		serials = []string{h.attr(d.Name, "device", "serial")}
		d.Model = h.attr(d.Name, "device", "name")
	case strings.HasPrefix(d.Name, "sd"):
		serials = h.identifySCSI(d)
	default:
		serials = []string{h.attr(d.Name, "device", "serial"), h.attr(d.Name, "serial")}
	}
	serials = append(h.udevSerials(d.Name), serials...)
	for _, s := range serials {
		if s = strings.TrimSpace(s); s != "" {
			d.alias(s)
		}
	}
	h.identifyWWN(d)
}

// alias adds a serial number; the first one is the disk's own.
func (d *Device) alias(s string) {
	switch {
	case d.Serial == "":
		d.Serial = s
	case s != d.Serial && !slices.Contains(d.Aliases, s):
		d.Aliases = append(d.Aliases, s)
	}
}

func (h Host) identifyWWN(d *Device) {
	d.WWN = h.attr(d.Name, "wwid")
	if d.WWN == "" {
		d.WWN = h.attr(d.Name, "device", "wwid")
	}
	if strings.HasPrefix(d.WWN, "t10.") { // vendor, model and serial in one, not a world-wide name
		d.WWN = ""
	}
	if hex, ok := strings.CutPrefix(d.WWN, "naa."); ok {
		d.Aliases = append(d.Aliases, d.WWN)
		d.WWN = "0x" + hex // as udev and lsblk write it
	}
}

// identifySCSI returns the serial numbers of an sd device in the order of trust.
func (h Host) identifySCSI(d *Device) []string {
	var serials []string
	if page, err := os.ReadFile(filepath.Join(h.Sys, "block", d.Name, "device/vpd_pg80")); err == nil {
		serials = append(serials, parseUnitSerial(page))
	} else if h.Ask {
		serials = append(serials, askUnitSerial(d.Path))
	}
	if d.Vendor == "ATA" && h.Ask {
		if id, ok := askATA(d.Path); ok {
			serials = append([]string{id.serial}, serials...)
			d.Model = id.model // sysfs has its first 16 characters only
		}
	}
	if usb := h.usbSerial(d.Name); usb != "" && d.Removable {
		serials = append([]string{usb}, serials...)
	} else {
		serials = append(serials, usb)
	}
	return serials
}

// usbSerial is the serial number of the USB device that the disk hangs on.
func (h Host) usbSerial(name string) string {
	for dir := h.devicePath(name); strings.Contains(dir, "/usb"); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "idVendor")); err != nil {
			continue
		}
		b, _ := os.ReadFile(filepath.Join(dir, "serial"))
		return strings.TrimSpace(string(b))
	}
	return ""
}

// udevSerials is what lsblk shows, in its order.
func (h Host) udevSerials(name string) []string {
	f, err := os.Open(filepath.Join(h.Udev, "b"+h.attr(name, "dev")))
	if err != nil {
		return nil
	}
	defer f.Close()
	props := make(map[string]string)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if kv, ok := strings.CutPrefix(lines.Text(), "E:"); ok {
			k, v, _ := strings.Cut(kv, "=")
			props[k] = v
		}
	}
	return []string{props["ID_SCSI_SERIAL"], props["ID_SERIAL_SHORT"], props["ID_SERIAL"]}
}

// transport is lsblk's word for how the disk is connected, "" where it has none.
func (h Host) transport(name string) string {
	path := h.devicePath(name)
	switch {
	case strings.HasPrefix(name, "nvme"):
		return "nvme"
	case strings.HasPrefix(name, "vd"):
		return "virtio"
	case strings.HasPrefix(name, "mmcblk"):
		return "mmc"
	case !strings.HasPrefix(name, "sd"):
		return ""
	case strings.Contains(path, "/usb"):
		return "usb"
	case strings.Contains(path, "/ata"):
		return "sata"
	case strings.Contains(path, "/session"):
		return "iscsi"
	case strings.Contains(path, "/rport-"):
		return "fc"
	case strings.Contains(path, "/end_device-"):
		return "sas"
	}
	return ""
}
