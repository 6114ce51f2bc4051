package builder

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"
)

func TestParseModinfo(t *testing.T) {
	section := "license=GPL\x00\x00\x00alias=pci:v1*\x00alias=pci:v2*\x00depends=a-b,c\x00softdep=pre: d e-f post: g\x00" +
		"softdep=pre: h\x00weakdep=i j\x00firmware=x/y.bin\x00vermagic=6.1 SMP \x00novalue\x00depends="
	want := modinfo{
		aliases: []string{"pci:v1*", "pci:v2*"}, depends: []string{"a_b", "c"}, pre: []string{"d", "e_f", "h"}, post: []string{"g"},
		weak: []string{"i", "j"}, firmware: []string{"x/y.bin"}, vermagic: "6.1 SMP ",
	}
	if got := parseModinfo([]byte(section)); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestParseBuiltin(t *testing.T) {
	got := parseBuiltin([]byte("kernel/arch/x86/crypto/libblake2s-x86_64.ko\nkernel/mm/zswap.ko\n\njunk\n"))
	want := map[string]bool{"libblake2s_x86_64": true, "zswap": true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func zboot(method string, payload []byte) []byte {
	b := make([]byte, 64)
	copy(b, "MZ\x00\x00zimg")
	binary.LittleEndian.PutUint32(b[8:], 64)
	binary.LittleEndian.PutUint32(b[12:], uint32(len(payload)))
	copy(b[24:], method)
	return append(b, payload...)
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func TestKernelVersion(t *testing.T) {
	image := fakeImage("6.12.0-arm64")
	for name, c := range map[string]struct {
		data    []byte
		arch    Arch
		version string
		fails   bool
	}{
		"bzImage":               {fakeBzImage("6.1.0-56-amd64"), X86_64, "6.1.0-56-amd64", false},
		"Image":                 {image, ARM64, "6.12.0-arm64", false},
		"zboot":                 {zboot("gzip", gzipped(image)), ARM64, "6.12.0-arm64", false},
		"zboot of another kind": {zboot("lzma", image), ARM64, "", false},
		"zboot cut short":       {zboot("gzip", gzipped(image))[:100], ARM64, "", true},
		"zboot broken":          {zboot("gzip", []byte("junk junk junk")), ARM64, "", true},
		"bzImage on arm64":      {fakeBzImage("6"), ARM64, "", true},
		"Image on x86":          {image, X86_64, "", true},
		"nothing":               {nil, X86_64, "", true},
		"nothing on arm64":      {nil, ARM64, "", true},
	} {
		version, err := kernelVersion(c.data, c.arch)
		if version != c.version || (err != nil) != c.fails {
			t.Errorf("%s: %q, %v", name, version, err)
		}
	}
}

func TestSelects(t *testing.T) {
	for file, want := range map[string]bool{
		"drivers/net/ethernet/intel/e1000e/e1000e.ko.xz": true,
		"drivers/net/virtio_net.ko":                      true,
		"net/8021q/8021q.ko.xz":                          true,
		"fs/exfat/exfat.ko.xz":                           true,
		"fs/fat/vfat.ko":                                 true,
		"fs/nls/nls_iso8859-1.ko":                        true,
		"fs/nls/nls_cp932.ko":                            false,
		"drivers/net/virtio_net_x.ko":                    false,
		"drivers/nvme/host/nvme.ko":                      true,
		"drivers/nvme/target/nvmet.ko":                   false,
		"drivers/scsi/virtio_scsi.ko":                    true,
		"drivers/scsi/scsi_debug.ko":                     false,
		"drivers/net/wireless/ath/ath9k/ath9k.ko":        false,
		"drivers/hid/hid-generic.ko":                     true,
		"drivers/hid/hid-sony.ko":                        false,
		"drivers/phy/rockchip/phy-rockchip-pcie.ko":      false,
	} {
		if got := selects(file, X86_64); got != want {
			t.Errorf("selects(%s) = %v", file, got)
		}
	}
	if !selects("drivers/phy/rockchip/phy-rockchip-pcie.ko", ARM64) {
		t.Error("arm64 lacks the PHY of a PCIe controller")
	}
}

func FuzzModinfo(f *testing.F) {
	f.Add(fakeModule(f, elf.EM_X86_64, "alias=pci:v1*", "depends=a,b", "softdep=pre: c post: d", vermagic("6.1")))
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, image []byte) {
		info, err := readModinfo(image)
		if err != nil {
			info = parseModinfo(image)
		}
		for _, names := range [][]string{info.depends, info.pre, info.post, info.weak} {
			for _, name := range names {
				if name == "" || strings.ContainsAny(name, " -,\n") {
					t.Errorf("a name %q cannot be indexed", name)
				}
			}
		}
	})
}

func FuzzKernel(f *testing.F) {
	f.Add(fakeBzImage("6.1.0"), true)
	f.Add(fakeImage("6.1.0"), false)
	f.Add(zboot("gzip", gzipped(fakeImage("6.1.0"))), false)
	f.Fuzz(func(t *testing.T, data []byte, x86 bool) {
		arch := ARM64
		if x86 {
			arch = X86_64
		}
		if version, _ := kernelVersion(data, arch); strings.ContainsAny(version, " \x00\n") {
			t.Errorf("version %q", version)
		}
	})
}

func FuzzBuiltin(f *testing.F) {
	f.Add([]byte("kernel/mm/zswap.ko\nkernel/a-b.ko.xz\n"))
	f.Fuzz(func(t *testing.T, list []byte) {
		for name := range parseBuiltin(list) {
			if name == "" || strings.ContainsAny(name, "-/\n") {
				t.Errorf("a name %q", name)
			}
		}
	})
}
