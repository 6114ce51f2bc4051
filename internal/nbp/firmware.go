package nbp

import (
	"path"
	"strings"
)

// Firmware is what can run a program: its kind and processor. Empty is not known.
type Firmware string

// The kinds of firmware.
const (
	BIOS    Firmware = "BIOS"
	UEFI    Firmware = "UEFI" // of a processor that is not known
	X64     Firmware = "x86_64 UEFI"
	IA32    Firmware = "i386 UEFI"
	ARM64   Firmware = "arm64 UEFI"
	ARM32   Firmware = "arm UEFI"
	RISCV64 Firmware = "riscv64 UEFI"
	Loong64 Firmware = "loong64 UEFI"
)

// IsUEFI reports whether it is UEFI of any processor.
func (f Firmware) IsUEFI() bool { return strings.HasSuffix(string(f), string(UEFI)) }

// Runs reports whether firmware of kind f can run a program that is for kind program. What is not
// known is not held against anybody.
func (f Firmware) Runs(program Firmware) bool {
	switch {
	case f == "" || program == "" || f == program:
		return true
	case f == UEFI || program == UEFI:
		return f.IsUEFI() && program.IsUEFI()
	}
	return false
}

// processors are the ways in which names of EFI programs say what they are for: iPXE's, GRUB's,
// shim's, systemd's, and the default file names of the UEFI specification (section 3.5.1.1).
var processors = []struct {
	mark string
	kind Firmware
}{
	{"arm64", ARM64}, {"aarch64", ARM64}, {"aa64", ARM64}, {"riscv64", RISCV64}, {"loong", Loong64},
	{"x86_64", X64}, {"amd64", X64}, {"x64", X64}, {"ia32", IA32}, {"i386", IA32}, {"arm32", ARM32}, {"armhf", ARM32},
}

// FirmwareOf is what the program with this name or path is for, as far as the name says: any
// distribution's iPXE, or what other people serve.
func FirmwareOf(name string) Firmware {
	lower := strings.ToLower(strings.ReplaceAll(name, `\`, "/"))
	base := path.Base(lower)
	switch path.Ext(base) {
	case ".kpxe", ".kkpxe", ".kkkpxe", ".pxe", ".0", ".lkrn", ".com", ".n12":
		return BIOS
	case ".efi":
	default:
		return ""
	}
	for _, p := range processors {
		if strings.Contains(lower, p.mark) {
			return p.kind
		}
	}
	if rowOf(base) != nil {
		return X64 // ipxe.efi, snponly.efi: the others of the table name their processor
	}
	return UEFI
}
