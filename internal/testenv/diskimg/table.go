package diskimg

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"unicode/utf16"
)

// putMBREntry fills one of the four entries of the first sector. Cylinders are the values that
// mean "see the LBA fields".
func putMBREntry(first []byte, index int, flag, kind byte, start, size int64) {
	entry := first[446+16*index:]
	copy(entry, []byte{flag, 0xfe, 0xff, 0xff, kind, 0xfe, 0xff, 0xff})
	binary.LittleEndian.PutUint32(entry[8:], uint32(start/sector))
	binary.LittleEndian.PutUint32(entry[12:], uint32(size/sector))
}

// GUIDs as they are on the disk, UEFI 2.10 table 5.7 and the Discoverable Partitions list.
var (
	espType   = guid(0xc12a7328, 0xf81f, 0x11d2, 0xba4b00a0c93ec93b)
	linuxType = guid(0x0fc63daf, 0x8483, 0x4772, 0x8e793d69d8477de4)
)

func guid(a uint32, b, c uint16, d uint64) []byte {
	g := binary.LittleEndian.AppendUint32(nil, a)
	g = binary.LittleEndian.AppendUint16(g, b)
	g = binary.LittleEndian.AppendUint16(g, c)
	return binary.BigEndian.AppendUint64(g, d)
}

const (
	gptEntries   = 128
	gptEntrySize = 128
	gptTableSize = gptEntries * gptEntrySize
)

// writeGPT writes both headers and both tables of UEFI 2.10 section 5.3.
func writeGPT(f io.WriterAt, size int64) error {
	last := size/sector - 1
	table := make([]byte, gptTableSize)
	rest := int64(espStart + espSize)
	putGPTEntry(table[0:], espType, 1, espStart, rest, "EFI system")
	putGPTEntry(table[gptEntrySize:], linuxType, 2, rest, size-mebi, "root")
	tableSectors := int64(gptTableSize / sector)
	parts := []struct {
		content []byte
		at      int64
	}{
		{gptHeader(1, last, 2, last, table), 1},
		{table, 2},
		{table, last - tableSectors},
		{gptHeader(last, 1, last-tableSectors, last, table), last},
	}
	for _, p := range parts {
		if _, err := f.WriteAt(p.content, p.at*sector); err != nil {
			return err
		}
	}
	return nil
}

func putGPTEntry(entry, kind []byte, id byte, start, end int64, name string) {
	copy(entry, kind)
	copy(entry[16:], partitionGUID(id))
	binary.LittleEndian.PutUint64(entry[32:], uint64(start/sector))
	binary.LittleEndian.PutUint64(entry[40:], uint64(end/sector-1))
	for i, unit := range utf16.Encode([]rune(name)) {
		binary.LittleEndian.PutUint16(entry[56+2*i:], unit)
	}
}

// partitionGUID is fixed per partition: the same spec makes the same image.
func partitionGUID(id byte) []byte { return guid(0x62747900, 0, 0x4000, 0x8000000000000000|uint64(id)) }

func gptHeader(self, other, tableAt, last int64, table []byte) []byte {
	h := make([]byte, sector)
	le := binary.LittleEndian
	copy(h, "EFI PART")
	le.PutUint32(h[8:], 0x00010000)
	le.PutUint32(h[12:], 92)
	le.PutUint64(h[24:], uint64(self))
	le.PutUint64(h[32:], uint64(other))
	le.PutUint64(h[40:], 2+gptTableSize/sector)
	le.PutUint64(h[48:], uint64(last-gptTableSize/sector-1))
	copy(h[56:], partitionGUID(0xff)) // of the disk
	le.PutUint64(h[72:], uint64(tableAt))
	le.PutUint32(h[80:], gptEntries)
	le.PutUint32(h[84:], gptEntrySize)
	le.PutUint32(h[88:], crc32.ChecksumIEEE(table))
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:92]))
	return h
}
