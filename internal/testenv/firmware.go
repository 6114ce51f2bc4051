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
	ARM64    Firmware = "arm64"     // an arm64 machine with AAVMF, which is OVMF for these, over TFTP
)

// qemu is the program that is the machine.
func (f Firmware) qemu() string {
	if f == ARM64 {
		return "qemu-system-aarch64"
	}
	return "qemu-system-x86_64"
}

// ovmfDir is where Debian 12 and 13 have OVMF; both have the 4 MiB pair.
const ovmfDir = "/usr/share/OVMF"

// aavmfDir is where they have it for arm64.
const aavmfDir = "/usr/share/AAVMF"

// args is the firmware's part of QEMU's command line; dir takes its variables.
func (f Firmware) args(dir string) ([]string, error) {
	if f == BIOS {
		// Without a display SeaBIOS talks on the serial port, and iPXE through it.
		return []string{"-machine", "q35,graphics=off", "-boot", "menu=off"}, nil
	}
	machine := []string{"-machine", "q35"}
	code, fresh := filepath.Join(ovmfDir, "OVMF_CODE_4M.fd"), filepath.Join(ovmfDir, "OVMF_VARS_4M.fd")
	if f == ARM64 {
		machine = []string{"-machine", "virt", "-cpu", "cortex-a57"}
		code, fresh = filepath.Join(aavmfDir, "AAVMF_CODE.fd"), filepath.Join(aavmfDir, "AAVMF_VARS.fd")
	}
	vars := filepath.Join(dir, "vars.fd")
	if _, err := os.Stat(vars); err != nil {
		content, err := os.ReadFile(fresh)
		if err != nil {
			return nil, fmt.Errorf("UEFI firmware is missing; apt-get install ovmf, or qemu-efi-aarch64 for arm64: %w", err)
		}
		if err := os.WriteFile(vars, content, 0o600); err != nil {
			return nil, err
		}
	}
	args := append(machine,
		"-drive", "if=pflash,unit=0,format=raw,readonly=on,file="+code,
		"-drive", "if=pflash,unit=1,format=raw,cache=unsafe,file="+vars,
		"-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n",
		// Newer OVMF wants an entropy source before it uses the network.
		"-device", "virtio-rng-pci",
	)
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
