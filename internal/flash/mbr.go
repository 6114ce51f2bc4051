package flash

import (
	"bytes"
	"encoding/binary"
	"math"
)

// Offsets in a master boot record and in an entry of its table; UEFI 2.10 section 5.2.
const (
	mbrTable     = 446
	mbrEntry     = 16
	mbrEntries   = 4
	mbrSignature = 510

	mbrStatus = 0
	mbrKind   = 4
	mbrLast   = 5 // cylinder, head and sector of the end
	mbrFirst  = 8
	mbrCount  = 12

	kindProtective = 0xee
)

// mbrPart is an entry in use.
type mbrPart struct {
	entry        []byte // in the boot record itself
	first, count uint32
}

func (p mbrPart) end() int64 { return int64(p.first) + int64(p.count) }

func (p mbrPart) isExtended() bool {
	k := p.entry[mbrKind]
	return k == 0x05 || k == 0x0f || k == 0x85
}

// parseMBR gives the partitions of a boot record; none if it is none. The boot sector of a file
// system carries the same signature, with code where the table would be.
func parseMBR(head []byte) []mbrPart {
	if len(head) < 512 || head[mbrSignature] != 0x55 || head[mbrSignature+1] != 0xaa {
		return nil
	}
	var parts []mbrPart
	for i := range mbrEntries {
		e := head[mbrTable+i*mbrEntry:][:mbrEntry]
		if e[mbrStatus]&0x7f != 0 {
			return nil
		}
		le := binary.LittleEndian
		p := mbrPart{entry: e, first: le.Uint32(e[mbrFirst:]), count: le.Uint32(e[mbrCount:])}
		switch {
		case p.count == 0:
			continue
		case p.first == 0 && e[mbrKind] != kindProtective:
			return nil // an isohybrid describes itself so, often with a kind that says unused
		case e[mbrKind] == 0:
			continue
		}
		parts = append(parts, p)
	}
	return parts
}

func lastOf(parts []mbrPart) (last mbrPart) {
	for _, p := range parts {
		if p.end() > last.end() {
			last = p
		}
	}
	return last
}

// grow lets p end with a disk of so many blocks, or where its numbers end. It returns by how many
// blocks.
func (p mbrPart) grow(blocks int64) int64 {
	count := min(blocks-int64(p.first), math.MaxUint32)
	if count <= int64(p.count) {
		return 0
	}
	binary.LittleEndian.PutUint32(p.entry[mbrCount:], uint32(count))
	copy(p.entry[mbrLast:], cylinders(int64(p.first)+count-1))
	return count - int64(p.count)
}

// cylinders is a block's address in the geometry that everybody assumes, 255 heads of 63 sectors.
func cylinders(block int64) []byte {
	const heads, sectors = 255, 63
	c := block / (heads * sectors)
	if c > 1023 {
		return []byte{0xfe, 0xff, 0xff}
	}
	h, s := block/sectors%heads, block%sectors+1
	return []byte{byte(h), byte(s) | byte(c>>2&0xc0), byte(c)}
}

// isProtective says that the boot record describes the disk as one partition of GPT's. A hybrid
// one describes partitions of its own.
func isProtective(head []byte) bool {
	return len(head) >= 512 && head[mbrSignature] == 0x55 && head[mbrSignature+1] == 0xaa &&
		head[mbrTable+mbrKind] == kindProtective &&
		bytes.Equal(head[mbrTable+mbrEntry:mbrTable+mbrEntries*mbrEntry], make([]byte, (mbrEntries-1)*mbrEntry))
}

// protect sets the size of a protective boot record (UEFI 2.10 section 5.2.3); a hybrid one is left as
// it is.
func protect(head []byte, size, sector int64) {
	if isProtective(head) {
		binary.LittleEndian.PutUint32(head[mbrTable+mbrCount:], uint32(min(size/sector-1, math.MaxUint32)))
	}
}
