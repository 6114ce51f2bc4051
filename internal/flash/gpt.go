package flash

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// gpt is a GUID partition table, as UEFI 2.10 section 5.3 lays it out.
type gpt struct {
	sector  int64
	header  []byte // the header block, without what follows HeaderSize
	entries []byte

	alternate, lastUsable uint64
	first                 uint64 // block of the entries
	lastUsed              uint64 // last block of any partition, whose entry is
	lastEntry             []byte // part of entries; nil if there is no partition
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
	g := &gpt{sector: sector, header: h, alternate: le.Uint64(h[gptAlternate:]), lastUsable: le.Uint64(h[gptLastUsable:]), first: first}
	g.entries = bytes.Clone(head[int64(first)*sector:][:count*each])
	if crc32.ChecksumIEEE(g.entries) != le.Uint32(h[gptEntriesCRC:]) {
		return nil, fmt.Errorf("wrong checksum of the GPT entries")
	}
	for e := g.entries; len(e) > 0; e = e[each:] {
		if bytes.Equal(e[:16], make([]byte, 16)) { // a type of zeros: unused
			continue
		}
		if last := le.Uint64(e[gptEntryLast:]); g.lastEntry == nil || last > g.lastUsed {
			g.lastUsed, g.lastEntry = last, e[:each]
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

// grow lets the last partition end where the backup table of a disk of size bytes begins. It
// returns by how many bytes.
func (g *gpt) grow(size int64) int64 {
	end := uint64(size/g.sector) - 1 - g.tableBlocks() - 1
	if g.lastEntry == nil || end <= g.lastUsed {
		return 0
	}
	by := int64(end-g.lastUsed) * g.sector
	binary.LittleEndian.PutUint64(g.lastEntry[gptEntryLast:], end)
	binary.LittleEndian.PutUint32(g.header[gptEntriesCRC:], crc32.ChecksumIEEE(g.entries))
	g.lastUsed = end
	return by
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
		{int64(g.first) * g.sector, g.entries},
		{int64(table) * g.sector, g.entries},
		{int64(last) * g.sector, block},
	}
}

type patch struct {
	off   int64
	bytes []byte
}
