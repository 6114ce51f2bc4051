package hardware

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// put is a DMI structure: the formatted area behind the header, then the strings.
func put(kind byte, handle uint16, area []byte, texts ...string) []byte {
	s := []byte{kind, byte(4 + len(area)), byte(handle), byte(handle >> 8)}
	s = append(s, area...)
	for _, t := range texts {
		s = append(append(s, t...), 0)
	}
	if len(texts) == 0 {
		s = append(s, 0)
	}
	return append(s, 0)
}

// area is a formatted area in which offsets count from the structure's start, as in DSP0134.
func area(length int, set func(at func(offset int, values ...byte))) []byte {
	b := make([]byte, length-4)
	set(func(offset int, values ...byte) { copy(b[offset-4:], values) })
	return b
}

func le16(n uint16) []byte { return binary.LittleEndian.AppendUint16(nil, n) }
func le32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

// server is a made-up machine: two sockets of which one is empty, three slots of which one is.
func server() []byte {
	var table []byte
	table = append(table, put(dmiBIOS, 0, area(0x1a, func(at func(int, ...byte)) {
		at(4, 1, 2)
		at(8, 3, 0xff)
		at(0x18, le16(32)...)
	}), "American Megatrends", "F14 ", "03/02/2024")...)
	table = append(table, put(dmiSystem, 1, area(0x1b, func(at func(int, ...byte)) {
		at(4, 1, 2, 3, 4)
		at(8, 0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff)
		at(25, 5, 6)
	}), "Example Inc.", "Rack 1000", "To Be Filled By O.E.M.", " SN-0042 ", "sku", "family")...)
	table = append(table, put(dmiBoard, 2, area(0x0f, func(at func(int, ...byte)) { at(4, 1, 2, 3, 4) }),
		"Example Inc.", "BOARD-7", "1.0", "Default string")...)
	table = append(table, put(dmiChassis, 3, area(0x15, func(at func(int, ...byte)) { at(5, 0x80|23) }))...)
	table = append(table, put(dmiProcessor, 0x400, area(0x30, func(at func(int, ...byte)) {
		at(4, 1)
		at(7, 2)
		at(16, 3)
		at(20, le16(4000)...)
		at(22, le16(2600)...)
		at(0x18, 0x41)
		at(0x23, 0xff, 0xff, 0xff)
		at(0x2a, le16(288)...)
		at(0x2c, le16(288)...)
		at(0x2e, le16(576)...)
	}), "CPU 0", "Example", "Example Processor 9000")...)
	table = append(table, put(dmiProcessor, 0x401, area(0x30, func(at func(int, ...byte)) { at(4, 1); at(0x18, 0) }), "CPU 1")...)
	table = append(table, put(dmiArray, 0x1000, area(0x17, func(func(int, ...byte)) {}))...)
	dimm := func(size uint16, extended uint32) []byte {
		return area(0x28, func(at func(int, ...byte)) {
			at(10, 64, 0)
			at(12, le16(size)...)
			at(14, 9, 0, 1, 2, 26)
			at(21, le16(3200)...)
			at(23, 3, 4, 0, 5)
			at(28, le32(extended)...)
			at(32, le16(2933)...)
		})
	}
	table = append(table, put(dmiModule, 0x1100, dimm(16384, 0), "DIMM_A1", "BANK 0", "Maker", "S1", "P1")...)
	table = append(table, put(dmiModule, 0x1101, dimm(0, 0), "DIMM_A2", "BANK 1", "NO DIMM", "NO DIMM", "NO DIMM")...)
	table = append(table, put(dmiModule, 0x1102, dimm(0x7fff, 65536), "DIMM_B1", "BANK 2", "Maker", "S3", "P1")...)
	return append(table, put(dmiEnd, 0xfeff, nil)...)
}

const cpuinfo = `processor	: 0
vendor_id	: GenuineIntel
model name	: Example(R) Processor 9000 @ 2.60GHz
microcode	: 0xd0003a5
cpu MHz		: 2600.000
physical id	: 0
siblings	: 2
cpu cores	: 1

processor	: 1
vendor_id	: GenuineIntel
model name	: Example(R) Processor 9000 @ 2.60GHz
physical id	: 0
cpu cores	: 1
`

func text(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }

func rack() Source {
	return Source{
		Sys: fstest.MapFS{
			"firmware/dmi/tables/DMI":                          {Data: server()},
			"firmware/efi/fw_platform_size":                    text("64\n"),
			"devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": text("3900000\n"),
			"class/net/lo/address":                             text("00:00:00:00:00:00\n"),
			"class/net/eno1/address":                           text("52:54:00:12:34:56\n"),
			"class/net/eno1/speed":                             text("10000\n"),
			"class/net/eno1/duplex":                            text("full\n"),
			"class/net/eno1/carrier":                           text("1\n"),
			"class/net/eno1/device/uevent":                     text("DRIVER=ixgbe\nPCI_SLOT_NAME=0000:01:00.0\n"),
			"class/net/eno1/device/vendor":                     text("0x8086\n"),
			"class/net/eno1/device/device":                     text("0x10fb\n"),
			"class/net/eno2/address":                           text("52:54:00:12:34:57\n"),
			"class/net/eno2/speed":                             text("-1\n"),
			"class/net/eno2/device/uevent":                     text("DRIVER=ixgbe\n"),
		},
		Proc: fstest.MapFS{"cpuinfo": text(cpuinfo), "meminfo": text("MemTotal:  82000000 kB\n")},
	}
}

// find returns the children of a node whose id starts with prefix.
func find(n Node, prefix string) (found []Node) {
	for _, c := range n.Children {
		if strings.HasPrefix(c.ID, prefix) {
			found = append(found, c)
		}
	}
	return found
}

func TestDescribeServer(t *testing.T) {
	root := rack().Describe()
	if root.Vendor != "Example Inc." || root.Product != "Rack 1000" || root.Serial != "SN-0042" || root.Version != "" {
		t.Errorf("system: %+v", root)
	}
	if got := root.Configuration["uuid"]; got != "00112233-4455-6677-8899-aabbccddeeff" {
		t.Errorf("uuid %q", got)
	}
	if root.Description != "Rack Mount Chassis" || root.Configuration["boot"] != "uefi" {
		t.Errorf("system: %q, %v", root.Description, root.Configuration)
	}
	core := root.Children[0]
	if core.ID != "core" || core.Product != "BOARD-7" || core.Serial != "" {
		t.Errorf("board: %+v", core)
	}
	fw := find(core, "firmware")[0]
	if fw.Version != "F14" || fw.Date != "03/02/2024" || fw.Capacity != 32<<20 {
		t.Errorf("firmware: %+v", fw)
	}
}

func TestDescribeMemory(t *testing.T) {
	memory := find(rack().Describe().Children[0], "memory")[0]
	if memory.ID != "memory" || memory.Class != "memory" || memory.Size != 80<<30 {
		t.Errorf("memory: %+v", memory)
	}
	banks := find(memory, "bank:")
	if len(banks) != 3 {
		t.Fatalf("%d banks", len(banks))
	}
	if b := banks[0]; b.Size != 16<<30 || b.Description != "DIMM DDR4 Synchronous 2933 MHz (0.3 ns)" || b.Slot != "DIMM_A1" ||
		b.Vendor != "Maker" || b.Serial != "S1" || b.Product != "P1" || b.Width != 64 {
		t.Errorf("bank 0: %+v", b)
	}
	if b := banks[1]; b.Size != 0 || b.Description != "DIMM [empty]" || b.Vendor != "" {
		t.Errorf("bank 1: %+v", b)
	}
	if b := banks[2]; b.Size != 64<<30 {
		t.Errorf("bank 2: %+v", b)
	}
}

func TestDescribeProcessors(t *testing.T) {
	cpus := find(rack().Describe().Children[0], "cpu:")
	if len(cpus) != 2 {
		t.Fatalf("%d sockets", len(cpus))
	}
	if c := cpus[0]; c.Size != 2_600_000_000 || c.Capacity != 3_900_000_000 || c.Configuration["cores"] != "1" ||
		c.Configuration["threads"] != "2" || c.Configuration["microcode"] != "0xd0003a5" || c.Slot != "CPU 0" {
		t.Errorf("socket 0: %+v", c)
	}
	if c := cpus[1]; c.Claimed || c.Description != "CPU [empty]" {
		t.Errorf("socket 1: %+v", c)
	}
	// Without a running kernel's view the firmware's counts stand: 0xff means "see further on".
	src := rack()
	src.Proc = fstest.MapFS{}
	if c := find(src.Describe().Children[0], "cpu:")[0]; c.Configuration["cores"] != "288" || c.Configuration["threads"] != "576" {
		t.Errorf("socket 0 without cpuinfo: %+v", c)
	}
}

func TestDescribeNetworks(t *testing.T) {
	nics := find(rack().Describe().Children[0], "network")
	if len(nics) != 2 {
		t.Fatalf("%d NICs, want 2 (lo has no device)", len(nics))
	}
	if n := nics[0]; n.Serial != "52:54:00:12:34:56" || n.LogicalName != "eno1" || n.Configuration["driver"] != "ixgbe" ||
		n.Size != 10_000_000_000 || n.BusInfo != "pci@0000:01:00.0" || n.Vendor != "Intel Corporation" || n.Configuration["link"] != "yes" {
		t.Errorf("eno1: %+v", n)
	}
	if n := nics[1]; n.Size != 0 || n.ID != "network:1" {
		t.Errorf("eno2 has no link: %+v", n)
	}
}

// A Raspberry Pi has no DMI, and its cpuinfo neither sockets nor model names.
func TestDescribeWithoutDMI(t *testing.T) {
	src := Source{Sys: fstest.MapFS{}, Proc: fstest.MapFS{
		"cpuinfo":                   text("processor\t: 0\nBogoMIPS\t: 108.00\n\nprocessor\t: 1\nBogoMIPS\t: 108.00\n\nSerial\t\t: 10000000abcdef\n"),
		"meminfo":                   text("MemTotal:        8000000 kB\n"),
		"device-tree/model":         text("Raspberry Pi 4 Model B Rev 1.4\x00"),
		"device-tree/serial-number": text("10000000abcdef\x00"),
	}}
	root := src.Describe()
	if root.Product != "Raspberry Pi 4 Model B Rev 1.4" || root.Serial != "10000000abcdef" {
		t.Errorf("system: %+v", root)
	}
	core := root.Children[0]
	if m := find(core, "memory")[0]; m.Size != 8000000<<10 {
		t.Errorf("memory: %+v", m)
	}
	if cpus := find(core, "cpu:"); len(cpus) != 1 || cpus[0].Configuration["cores"] != "2" {
		t.Errorf("processors: %+v", cpus)
	}
}

// Nothing to read is no failure: there is always a tree that the server accepts.
func TestDescribeNothing(t *testing.T) {
	raw, err := Source{Sys: fstest.MapFS{}, Proc: fstest.MapFS{}}.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(raw, &tree); err != nil || tree["class"] != "system" {
		t.Fatalf("%s: %v", raw, err)
	}
}

// The tables in testdata were read inside QEMU guests.
func TestDescribeRecordedTables(t *testing.T) {
	names, _ := os.ReadDir("testdata/dmi")
	if len(names) == 0 {
		t.Fatal("testdata/dmi is empty")
	}
	for _, name := range names {
		data, err := os.ReadFile("testdata/dmi/" + name.Name())
		if err != nil {
			t.Fatal(err)
		}
		root := Source{Sys: fstest.MapFS{"firmware/dmi/tables/DMI": {Data: data}}, Proc: fstest.MapFS{}}.Describe()
		core := root.Children[0]
		if root.Vendor != "QEMU" || root.Product == "" || find(core, "memory")[0].Size == 0 || len(find(core, "cpu:")) == 0 {
			raw, _ := json.MarshalIndent(root, "", " ")
			t.Errorf("%s: %s", name.Name(), raw)
		}
	}
}

func TestHostHasMemoryAndProcessors(t *testing.T) {
	core := Host().Describe().Children[0]
	if find(core, "memory")[0].Size == 0 || len(find(core, "cpu:")) == 0 {
		t.Errorf("%+v", core)
	}
}

func FuzzDMI(f *testing.F) {
	f.Add(server())
	f.Add(slices.Concat(put(dmiModule, 1, []byte{1}, "x"), put(dmiProcessor, 2, nil)))
	f.Add([]byte{0, 3, 0, 0})
	f.Add([]byte{4, 4, 0, 0, 'a'})
	f.Fuzz(func(t *testing.T, table []byte) {
		src := Source{Sys: fstest.MapFS{"firmware/dmi/tables/DMI": {Data: table}}, Proc: fstest.MapFS{}}
		raw, err := src.JSON()
		if err != nil || !json.Valid(raw) {
			t.Fatalf("%v: %s", err, raw)
		}
	})
}

func FuzzCPUInfo(f *testing.F) {
	f.Add(cpuinfo)
	f.Add("processor : 9999999999\nphysical id: x\ncpu cores: -1\ncpu MHz: NaN\n\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, soc := range parseCPUInfo([]byte(s)) {
			if soc.threads < 1 || soc.cores < 0 {
				t.Fatalf("%+v", soc)
			}
		}
	})
}

func FuzzUevent(f *testing.F) {
	f.Add("DRIVER=e1000\nPCI_SLOT_NAME=0000:00:03.0\n")
	f.Fuzz(func(t *testing.T, s string) {
		for k, v := range parseUevent([]byte(s)) {
			if strings.ContainsAny(k+v, "\n\x1b") {
				t.Fatalf("%q=%q", k, v)
			}
		}
	})
}
