package flash

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"bty/internal/disk"
)

// gpt is a GUID partition table, as UEFI 2.10 section 5.3 lays it out.
type gpt struct {
	sector  int64
	header  []byte // the header block, without what follows HeaderSize
	entries []byte

	alternate, lastUsable uint64
	lastUsed              uint64 // last block of any partition
}

// Offsets in the header, UEFI 2.10 table 5.5.
const (
	gptHeaderSize = 12
	gptHeaderCRC  = 16
	gptMyLBA      = 24
	gptAlternate  = 32
	gptLastUsable = 48
	gptEntriesLBA = 72
	gptCount      = 80
	gptEntrySize  = 84
	gptEntriesCRC = 88

	gptMinHeader = 92
	// Offsets in an entry, table 5.6.
	gptEntryLast = 40
)

func hasGPT(head []byte, sector int64) bool {
	return int64(len(head)) >= 2*sector && bytes.HasPrefix(head[sector:], []byte("EFI PART"))
}

// parseGPT reads the primary table from the first bytes of a disk with blocks of sector bytes.
func parseGPT(head []byte, sector int64) (*gpt, error) {
	if !hasGPT(head, sector) {
		return nil, fmt.Errorf("no GPT at byte %d", sector)
	}
	le := binary.LittleEndian
	block := head[sector : 2*sector]
	size := int64(le.Uint32(block[gptHeaderSize:]))
	if size < gptMinHeader || size > sector {
		return nil, fmt.Errorf("GPT header of %d bytes", size)
	}
	h := bytes.Clone(block[:size])
	if sum := le.Uint32(h[gptHeaderCRC:]); sum != headerSum(h) {
		return nil, fmt.Errorf("wrong checksum of the GPT header")
	}
	first, count, each := le.Uint64(h[gptEntriesLBA:]), int64(le.Uint32(h[gptCount:])), int64(le.Uint32(h[gptEntrySize:]))
	if each < 128 || each > 4096 || each%8 != 0 || count < 1 || count > 4096 || le.Uint64(h[gptMyLBA:]) != 1 {
		return nil, fmt.Errorf("GPT with %d entries of %d bytes", count, each)
	}
	if first < 2 || first > uint64(len(head)) || int64(first)*sector+count*each > int64(len(head)) {
		return nil, fmt.Errorf("GPT whose entries are at block %d", first)
	}
	g := &gpt{sector: sector, header: h, alternate: le.Uint64(h[gptAlternate:]), lastUsable: le.Uint64(h[gptLastUsable:])}
	g.entries = bytes.Clone(head[int64(first)*sector:][:count*each])
	if crc32.ChecksumIEEE(g.entries) != le.Uint32(h[gptEntriesCRC:]) {
		return nil, fmt.Errorf("wrong checksum of the GPT entries")
	}
	for e := g.entries; len(e) > 0; e = e[each:] {
		if !bytes.Equal(e[:16], make([]byte, 16)) { // a type of zeros: unused
			g.lastUsed = max(g.lastUsed, le.Uint64(e[gptEntryLast:]))
		}
	}
	return g, nil
}

func headerSum(h []byte) uint32 {
	h = bytes.Clone(h)
	clear(h[gptHeaderCRC : gptHeaderCRC+4])
	return crc32.ChecksumIEEE(h)
}

// tableBlocks is how many blocks the entries take.
func (g *gpt) tableBlocks() uint64 { return uint64((int64(len(g.entries)) + g.sector - 1) / g.sector) }

// needs is the size of the smallest disk that has room for all partitions and the backup table.
func (g *gpt) needs() int64 {
	blocks := g.lastUsed + 1 + g.tableBlocks() + 1
	if g.lastUsed > math.MaxInt64/uint64(g.sector)-g.tableBlocks()-2 {
		return math.MaxInt64
	}
	return int64(blocks) * g.sector
}

// move makes the table that of a disk of size bytes. It returns what to write where.
func (g *gpt) move(size int64) []patch {
	le := binary.LittleEndian
	last := uint64(size/g.sector) - 1
	table := last - g.tableBlocks()

	primary := bytes.Clone(g.header)
	le.PutUint64(primary[gptAlternate:], last)
	le.PutUint64(primary[gptLastUsable:], table-1)
	le.PutUint32(primary[gptHeaderCRC:], headerSum(primary))

	backup := bytes.Clone(primary)
	le.PutUint64(backup[gptMyLBA:], last)
	le.PutUint64(backup[gptAlternate:], 1)
	le.PutUint64(backup[gptEntriesLBA:], table)
	le.PutUint32(backup[gptHeaderCRC:], headerSum(backup))

	block := make([]byte, g.sector)
	copy(block, backup)
	return []patch{
		{g.sector, primary},
		{int64(table) * g.sector, g.entries},
		{int64(last) * g.sector, block},
	}
}

type patch struct {
	off   int64
	bytes []byte
}

// protect sets the size of a protective MBR (UEFI 2.10 section 5.2.3). A hybrid one, which
// describes partitions of its own, is left as it is.
func protect(head []byte, size, sector int64) {
	const table, entry, kind, sectors = 446, 16, 4, 12
	if len(head) < 512 || head[510] != 0x55 || head[511] != 0xaa || head[table+kind] != 0xee {
		return
	}
	if !bytes.Equal(head[table+entry:table+4*entry], make([]byte, 3*entry)) {
		return
	}
	binary.LittleEndian.PutUint32(head[table+sectors:], uint32(min(size/sector-1, math.MaxUint32)))
}

// lookAtTable refuses an image whose partitions do not fit on the disk before the disk is
// touched, whatever the length of the image.
func (j *job) lookAtTable() error {
	g, err := parseGPT(j.edges.head, int64(j.disk.Logical))
	if err != nil {
		return nil
	}
	if n := g.needs(); n > j.disk.Size {
		return j.fits(n)
	}
	return nil
}

// moveTable puts the backup table at the end of the disk, where firmware and tools look for it
// when the disk is larger than the image.
func (j *job) moveTable() {
	sector := int64(j.disk.Logical)
	if other := 512 + 4096 - sector; !hasGPT(j.edges.head, sector) && hasGPT(j.edges.head, other) {
		j.note("the image is made for disks with blocks of %d bytes, %s has blocks of %d; firmware will not find its partitions", other, j.disk.Path, sector)
		return
	}
	if !hasGPT(j.edges.head, sector) {
		return
	}
	g, err := parseGPT(j.edges.head, sector)
	if err != nil {
		j.note("the image's partition table is damaged and was left as it is: %v", err)
		return
	}
	if g.alternate == uint64(j.disk.Size/sector)-1 {
		return
	}
	moved := g.move(j.disk.Size)
	for _, p := range moved {
		if !j.edges.hold(p.off, int64(len(p.bytes))) {
			j.note("the backup of the partition table, %s, was left where it was; it is too large to be moved to the end of the disk", disk.HumanSize(int64(len(g.entries))))
			return
		}
	}
	for _, p := range moved {
		j.edges.keep(p.bytes, p.off)
	}
	protect(j.edges.head, j.disk.Size, sector)
	j.note("the backup of the partition table was moved to the end of the disk")
}
