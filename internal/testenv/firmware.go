package testenv

import (
	"fmt"
	"os"
	"path/filepath"
)

// Firmware is what a machine runs when it is switched on.
type Firmware string

// The kinds of firmware, each with one way into the network.
const (
	BIOS     Firmware = "bios"      // SeaBIOS and the network card's ROM, over TFTP
	UEFI     Firmware = "uefi"      // OVMF's PXE, over TFTP
	UEFIHTTP Firmware = "uefi-http" // OVMF's HTTP Boot
)

// ovmfDir is where Debian 12 and 13 have OVMF; both have the 4 MiB pair.
const ovmfDir = "/usr/share/OVMF"

// args is the firmware's part of QEMU's command line; dir takes its variables.
func (f Firmware) args(dir string) ([]string, error) {
	if f == BIOS {
		// Without a display SeaBIOS talks on the serial port, and iPXE through it.
		return []string{"-machine", "q35,graphics=off", "-boot", "menu=off"}, nil
	}
	vars := filepath.Join(dir, "vars.fd")
	if _, err := os.Stat(vars); err != nil {
		fresh, err := os.ReadFile(filepath.Join(ovmfDir, "OVMF_VARS_4M.fd"))
		if err != nil {
			return nil, fmt.Errorf("UEFI firmware is missing; apt-get install ovmf: %w", err)
		}
		if err := os.WriteFile(vars, fresh, 0o600); err != nil {
			return nil, err
		}
	}
	args := []string{
		"-machine", "q35",
		"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + filepath.Join(ovmfDir, "OVMF_CODE_4M.fd"),
		"-drive", "if=pflash,unit=1,format=raw,cache=unsafe,file=" + vars,
		"-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n",
		// Newer OVMF wants an entropy source before it uses the network.
		"-device", "virtio-rng-pci",
	}
	if f == UEFIHTTP {
		args = append(args, "-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n")
	}
	return args, nil
}

// NoNIC is the model of a machine without a network card: its firmware turns to the disks at
// once, where UEFI would ask for an address for minutes.
const NoNIC = "none"

// nic is the network card. UEFI gets it without QEMU's ROM, which is an iPXE of its own and
// would take the place of OVMF's driver; a kernel that is started directly needs no ROM at all.
func (f Firmware) nic(model, tap, mac string, notAsked bool) []string {
	if model == NoNIC {
		return nil
	}
	device := fmt.Sprintf("%s,netdev=net0,mac=%s", model, mac)
	if !notAsked {
		device += ",bootindex=0" // the place that QEMU gives to a kernel of its own
	}
	if notAsked || f != BIOS {
		device += ",romfile="
	}
	return []string{"-netdev", "tap,id=net0,script=no,downscript=no,ifname=" + tap, "-device", device}
}
