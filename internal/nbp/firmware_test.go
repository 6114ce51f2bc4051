package nbp

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

func TestFirmwareOf(t *testing.T) {
	for name, want := range map[string]Firmware{
		"undionly.kpxe": BIOS, "pxelinux.0": BIOS, "UNDIONLY.KPXE": BIOS, "boot/x64/wdsnbp.com": BIOS, "ipxe.pxe": BIOS,
		"ipxe.efi": X64, "snponly.efi": X64, "/tftp/ipxe.efi": X64, `boot\x64\wdsmgfw.efi`: X64, "bootx64.efi": X64, "syslinux.efi": UEFI,
		"ipxe-arm64.efi": ARM64, "arm64-efi/ipxe.efi": ARM64, "grubaa64.efi": ARM64, "ipxe-i386.efi": IA32, "bootia32.efi": IA32,
		"ipxe-riscv64.efi": RISCV64, "ipxe-loong64.efi": Loong64, "": "", "menu": "", "pxe-bootstrap.ipxe": "", "http://x/boot/shimx64.efi": X64,
	} {
		if got := FirmwareOf(name); got != want {
			t.Errorf("%s is for %q, want %q", name, got, want)
		}
	}
	for _, row := range programs() {
		for _, name := range row {
			if FirmwareOf(name) != FirmwareOf(row[0]) {
				t.Errorf("%s is for %q and %s, which stands for it, for %q", row[0], FirmwareOf(row[0]), name, FirmwareOf(name))
			}
		}
	}
}

func TestRuns(t *testing.T) {
	for _, test := range []struct {
		firmware, program Firmware
		want              bool
	}{
		{BIOS, BIOS, true}, {BIOS, X64, false}, {X64, BIOS, false}, {X64, X64, true}, {X64, ARM64, false}, {X64, UEFI, true},
		{UEFI, ARM64, true}, {UEFI, BIOS, false}, {BIOS, UEFI, false}, {"", BIOS, true}, {X64, "", true},
	} {
		if got := test.firmware.Runs(test.program); got != test.want {
			t.Errorf("%q runs a program for %q: %v", test.firmware, test.program, got)
		}
	}
}

// pe is the beginning of a PE file.
func pe(processor uint16, texts string) []byte {
	data := make([]byte, 0x90)
	copy(data, "MZ")
	binary.LittleEndian.PutUint32(data[0x3c:], 0x80)
	copy(data[0x80:], "PE\x00\x00")
	binary.LittleEndian.PutUint16(data[0x84:], processor)
	return append(data, texts...)
}

func TestInspect(t *testing.T) {
	for name, test := range map[string]struct {
		data []byte
		want Content
	}{
		"Debian 12":   {pe(0x8664, "iPXE/%s\x00\x001.0.0+git-20190125.36a4c85-5.1\x00"), Content{X64, "1.0.0+git-20190125.36a4c85-5.1", true, false}},
		"Debian 13":   {pe(0xaa64, "iPXE\x00file:autoexec.ipxe\x00\x001.21.1+git20250501.dad20602+dfsg-1\x00"), Content{ARM64, "1.21.1+git20250501.dad20602+dfsg-1", true, true}},
		"upstream":    {pe(0x8664, "iPXE\x00autoexec.ipxe\x00\x001.21.1+ (g4b4b3)\x00"), Content{X64, "1.21.1+ (g4b4b3)", true, true}},
		"GRUB":        {pe(0x8664, "GRUB version"), Content{Firmware: X64}},
		"compressed":  {[]byte("\xeb\x3c\x90garbage"), Content{}},
		"cut short":   {pe(0x8664, "")[:0x82], Content{}},
		"a header":    {append([]byte("MZ"), bytes.Repeat([]byte{0xff}, 0x60)...), Content{}},
		"processor ?": {pe(0x1234, ""), Content{Firmware: UEFI}},
		"empty":       {nil, Content{}},
		"large":       {pe(0x8664, strings.Repeat("\x01", 2*windowSize)+"iPXE\x00autoexec.ipxe\x00\x001.21.1+x\x00"), Content{X64, "1.21.1+x", true, true}},
	} {
		if got, err := Inspect(bytes.NewReader(test.data)); err != nil || got != test.want {
			t.Errorf("%s: %+v %v, want %+v", name, got, err, test.want)
		}
	}
}

// What lies across the edge of two pieces is found.
func TestInspectAtEdges(t *testing.T) {
	for before := windowSize - 60; before < windowSize+10; before++ {
		data := pe(0x8664, "")
		data = append(append(data, make([]byte, before-len(data))...), "iPXE\x00autoexec.ipxe\x00\x001.21.1+x\x00"...)
		data = append(data, make([]byte, windowSize)...)
		if got, err := Inspect(bytes.NewReader(data)); err != nil || got != (Content{X64, "1.21.1+x", true, true}) {
			t.Fatalf("after %d bytes: %+v %v", before, got, err)
		}
	}
}

func FuzzInspect(f *testing.F) {
	f.Add(pe(0x8664, "iPXE\x001.21.1\x00"))
	f.Add([]byte("MZ"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Inspect(bytes.NewReader(data))
		if err != nil || strings.Contains(c.Version, "\x00") {
			t.Errorf("%+v %v", c, err)
		}
	})
}
