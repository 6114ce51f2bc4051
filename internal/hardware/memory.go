package hardware

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// memory is the node that consumers read the RAM total from: class "memory" and id exactly
// "memory" (caches and firmware share the class). Its children are the slots.
func (s Source) memory(table []structure) Node {
	n := Node{ID: "memory", Class: "memory", Claimed: true, Description: "System Memory", Units: "bytes"}
	if array := one(table, dmiArray); array.exists() {
		n.Handle, n.PhysID, n.Slot = array.name(), fmt.Sprintf("%x", array.handle), "System board or motherboard"
	}
	for i, m := range ofKind(table, dmiModule) {
		bank := module(m, i)
		n.Size += bank.Size
		n.add(bank)
	}
	if n.Size == 0 {
		n.Size = s.memTotal()
	}
	return n
}

// module is one slot (DMI type 17); an empty slot has no size and says [empty], as lshw does.
func module(m structure, i int) Node {
	n := Node{
		ID: "bank:" + strconv.Itoa(i), Class: "memory", Claimed: true, Handle: m.name(),
		PhysID: strconv.FormatInt(int64(i), 16), Slot: first(m.text(16), m.text(17)), Size: moduleSize(m),
	}
	if n.Size == 0 {
		n.Description = strings.TrimSpace(formFactors[m.byte(14)] + " [empty]")
		return n
	}
	n.Units = "bytes"
	n.Vendor, n.Serial, n.Product = m.text(23), m.text(24), m.text(26)
	if width := m.word(10); width != 0xffff {
		n.Width = uint(width)
	}
	n.Description = strings.Join(strings.Fields(formFactors[m.byte(14)]+" "+memoryKinds[m.byte(18)]), " ")
	if mts := moduleSpeed(m); mts > 0 {
		n.Clock = mts * 1e6
		n.Description += fmt.Sprintf(" Synchronous %d MHz (%.1f ns)", mts, 1000/float64(mts))
	}
	n.Description = first(strings.TrimSpace(n.Description), "Memory")
	return n
}

// moduleSize follows DSP0134, 7.18: MiB in 15 bits, or KiB if bit 15 is set, or 0x7fff for a
// larger number of MiB further on, or 0xffff for not known.
func moduleSize(m structure) uint64 {
	size := m.word(12)
	switch {
	case size == 0xffff:
		return 0
	case size == 0x7fff:
		return uint64(m.long(28)&0x7fffffff) << 20
	case size&0x8000 != 0:
		return uint64(size&0x7fff) << 10
	}
	return uint64(size) << 20
}

// moduleSpeed is what the module runs at, else what it could, in MT/s.
func moduleSpeed(m structure) uint64 {
	for _, offset := range []int{32, 21} {
		if speed := m.word(offset); speed != 0 && speed != 0xffff {
			return uint64(speed)
		}
	}
	return 0
}

// memTotal is what the kernel has, a little less than what is plugged in.
func (s Source) memTotal() uint64 {
	data, _ := readFile(s.Proc, "meminfo", maxAttr)
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == "MemTotal:" {
			kib, _ := strconv.ParseUint(fields[1], 10, 44)
			return kib << 10
		}
	}
	return 0
}

// formFactors and memoryKinds are DSP0134, 7.18.1 and 7.18.2.
var formFactors = map[byte]string{
	3: "SIMM", 4: "SIP", 5: "Chip", 6: "DIP", 7: "ZIP", 9: "DIMM", 10: "TSOP", 12: "RIMM", 13: "SODIMM",
	14: "SRIMM", 15: "FB-DIMM", 16: "Die", 17: "CAMM",
}

var memoryKinds = map[byte]string{
	3: "DRAM", 15: "SDRAM", 17: "RDRAM", 18: "DDR", 19: "DDR2", 20: "DDR2 FB-DIMM", 24: "DDR3", 26: "DDR4",
	27: "LPDDR", 28: "LPDDR2", 29: "LPDDR3", 30: "LPDDR4", 32: "HBM", 33: "HBM2", 34: "DDR5", 35: "LPDDR5",
	36: "HBM3",
}
