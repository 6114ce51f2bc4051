package builder

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeModule is a relocatable ELF file with nothing but a .modinfo section.
func fakeModule(t testing.TB, machine elf.Machine, modinfo ...string) []byte {
	t.Helper()
	const headerSize, sectionSize = 64, 64
	info := []byte(strings.Join(modinfo, "\x00") + "\x00")
	names := []byte("\x00.modinfo\x00.shstrtab\x00")
	infoAt := uint64(headerSize)
	namesAt := infoAt + uint64(len(info))
	sectionsAt := namesAt + uint64(len(names))
	var b bytes.Buffer
	put := func(v any) {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	h := elf.Header64{Type: uint16(elf.ET_REL), Machine: uint16(machine), Version: 1, Shoff: sectionsAt,
		Ehsize: headerSize, Shentsize: sectionSize, Shnum: 3, Shstrndx: 2}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	put(h)
	b.Write(info)
	b.Write(names)
	put(elf.Section64{})
	put(elf.Section64{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: infoAt, Size: uint64(len(info)), Addralign: 1})
	put(elf.Section64{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: namesAt, Size: uint64(len(names)), Addralign: 1})
	return b.Bytes()
}

// fakeProgram is a static program of nothing; interp adds a dynamic linker.
func fakeProgram(t testing.TB, machine elf.Machine, interp bool) []byte {
	t.Helper()
	var b bytes.Buffer
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	kind := elf.PT_LOAD
	if interp {
		kind = elf.PT_INTERP
	}
	for _, v := range []any{h, elf.Prog64{Type: uint32(kind)}} {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// fakeBzImage has the fields of an x86 kernel's header that are read.
func fakeBzImage(version string) []byte {
	b := make([]byte, 0x1000)
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x20e:], 0x400)
	b[0x236] = 1
	copy(b[0x600:], version+" (someone@somewhere) #1 SMP\x00")
	return b
}

func fakeImage(version string) []byte {
	b := make([]byte, 64)
	copy(b[56:], "ARM\x64")
	return append(b, []byte("Linux version %s\x00Linux version "+version+" (x) #1\n")...)
}

const release = "6.1.0-test"

func vermagic(v string) string { return "vermagic=" + v + " SMP preempt mod_unload modversions " }

// fakeTree is a small lib/modules with one module of each kind of compression, dependencies in
// and out of the selection, and no modules.dep.
func fakeTree(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	kernel := filepath.Join(root, "lib/modules", release, "kernel")
	x := elf.EM_X86_64
	for path, image := range map[string][]byte{
		"drivers/net/virtio_net.ko":               fakeModule(t, x, "alias=virtio:d00000001v*", "depends=net_failover,virtio", vermagic(release)),
		"drivers/net/net_failover.ko.zst":         pressed(t, fakeModule(t, x, "depends=failover", vermagic(release))),
		"net/core/failover.ko":                    fakeModule(t, x, "depends=", vermagic(release)),
		"drivers/virtio/virtio.ko":                fakeModule(t, x, "depends=", vermagic(release)),
		"drivers/net/ethernet/realtek/r8169.ko":   fakeModule(t, x, "alias=pci:v000010ECd00008168sv*", "softdep=pre: realtek", "firmware=rtl_nic/a.fw", "firmware=rtl_nic/b.fw", "firmware=../../etc/passwd", "depends=builtin-lib,nowhere", vermagic(release)),
		"drivers/net/phy/realtek.ko":              fakeModule(t, x, "alias=mdio:*", vermagic(release)),
		"drivers/scsi/scsi_debug.ko":              fakeModule(t, x, "alias=x:*", vermagic(release)),
		"drivers/gpu/drm/nouveau/nouveau.ko":      fakeModule(t, x, "alias=pci:*", vermagic(release)),
		"drivers/usb/storage/usb-storage.ko":      fakeModule(t, x, "alias=usb:v*ic08*", vermagic(release)),
		"sound/needs.depmod/not-a-module.ko.orig": []byte("no"),
	} {
		put(t, filepath.Join(kernel, path), image)
	}
	put(t, filepath.Join(kernel, "../modules.builtin"), []byte("kernel/lib/builtin-lib.ko\n"))
	put(t, filepath.Join(root, "vmlinuz"), fakeBzImage(release))
	put(t, filepath.Join(root, "bty"), fakeProgram(t, x, false))
	return root
}

func pressed(t *testing.T, image []byte) []byte {
	t.Helper()
	data, err := compress(image)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
