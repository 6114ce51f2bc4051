package diskimage

import (
	"encoding/binary"
	"fmt"
)

// qcow2Head is what is read of the header (qemu's docs/interop/qcow2, "Header") before anything
// else is: the library that reads the rest believes its numbers, and would open the file that a
// header names as its backing file.
type qcow2Head struct {
	size      int64
	snapshots uint32
}

const (
	qcow2HeadLen = 112
	qcow2MaxL1   = 32 << 20 // bytes of the table of tables; qemu has the same limit
	qcow2MaxSize = 1 << 62
)

// Bits of the incompatible features.
const (
	qcow2Dirty = 1 << iota
	qcow2Broken
	qcow2External
	qcow2Compression
	qcow2ExtendedL2
)

func parseQCOW2(b []byte) (h qcow2Head, err error) {
	if len(b) < qcow2HeadLen {
		b = append(b[:len(b):len(b)], make([]byte, qcow2HeadLen-len(b))...) // version 2 has 72 bytes
	}
	u32 := func(at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
	u64 := func(at int) uint64 { return binary.BigEndian.Uint64(b[at:]) }
	if v := u32(4); v != 2 && v != 3 {
		return h, fmt.Errorf("%w: it is qcow2 of version %d; 2 and 3 are known", ErrFormat, v)
	}
	if at, n := u64(8), u32(16); at != 0 || n != 0 {
		return h, fmt.Errorf("%w: this qcow2 is an overlay and needs its backing file%s; make one file of both with `qemu-img convert -O qcow2`",
			ErrFormat, backingName(b, at, n))
	}
	if u32(32) != 0 {
		return h, fmt.Errorf("%w: this qcow2 is encrypted; decrypt it with `qemu-img convert`", ErrFormat)
	}
	if u32(4) == 3 {
		if err := qcow2Features(u64(72), b); err != nil {
			return h, err
		}
	}
	h = qcow2Head{size: int64(min(u64(24), qcow2MaxSize)), snapshots: u32(60)}
	return h, qcow2Geometry(u32(20), u64(24), uint64(u32(36)), u64(40))
}

// backingName shows the name of the backing file where the first bytes hold it.
func backingName(b []byte, at uint64, n uint32) string {
	if n == 0 || n > 1023 || at > uint64(len(b)) || at+uint64(n) > uint64(len(b)) {
		return ""
	}
	return fmt.Sprintf(" %q", b[at:at+uint64(n)])
}

func qcow2Features(bits uint64, b []byte) error {
	switch {
	case bits&qcow2Broken != 0:
		return fmt.Errorf("%w: this qcow2 is marked as corrupt; see `qemu-img check`", ErrCorrupt)
	case bits&qcow2Dirty != 0:
		return fmt.Errorf("%w: this qcow2 was in use when it was copied, or its writer was killed; repair it with `qemu-img check -r all`", ErrCorrupt)
	case bits&qcow2External != 0:
		return fmt.Errorf("%w: this qcow2 has its data in another file; make one file of both with `qemu-img convert -O qcow2`", ErrFormat)
	case bits&qcow2ExtendedL2 != 0:
		return fmt.Errorf("%w: this qcow2 has extended L2 entries; convert it with `qemu-img convert -O qcow2 -o extended_l2=off`", ErrFormat)
	case bits&^qcow2Compression != 0:
		return fmt.Errorf("%w: this qcow2 has features that are not known (%#x)", ErrFormat, bits)
	}
	length := binary.BigEndian.Uint32(b[100:])
	if length < 104 || length > 1<<16 {
		return fmt.Errorf("%w: its qcow2 header has %d bytes", ErrCorrupt, length)
	}
	if kind := b[104]; length > 104 && kind > 1 {
		return fmt.Errorf("%w: this qcow2 is compressed in a way that is not known (%d)", ErrFormat, kind)
	}
	return nil
}

// qcow2Geometry checks the numbers that say how large the tables are.
func qcow2Geometry(clusterBits uint32, size, l1 uint64, l1At uint64) error {
	if clusterBits < 9 || clusterBits > 21 {
		return fmt.Errorf("%w: its qcow2 clusters have 2^%d bytes; 2^9 to 2^21 are possible", ErrCorrupt, clusterBits)
	}
	covered := uint64(1) << (clusterBits + clusterBits - 3) // by one entry of the L1 table
	need := size / covered
	if size%covered != 0 {
		need++
	}
	switch {
	case size > qcow2MaxSize || need*8 > qcow2MaxL1:
		return fmt.Errorf("%w: its qcow2 header says that the disk has %d bytes, which is more than its clusters can hold", ErrCorrupt, size)
	case l1 < need || l1*8 > qcow2MaxL1:
		return fmt.Errorf("%w: its qcow2 L1 table has %d entries, the disk needs %d", ErrCorrupt, l1, need)
	case l1At == 0 && l1 > 0, l1At%(1<<clusterBits) != 0, l1At > qcow2MaxSize:
		return fmt.Errorf("%w: its qcow2 L1 table is at byte %d", ErrCorrupt, l1At)
	}
	return nil
}

func (h qcow2Head) notes() []string {
	if h.snapshots == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the qcow2 holds %d snapshots; the disk gets its current state", h.snapshots)}
}
