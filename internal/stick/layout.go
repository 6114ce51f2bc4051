package stick

import (
	"encoding/binary"
	"fmt"
	"os"
)

const (
	sector = 512
	mib    = 1 << 20

	// align keeps partitions off the borders of a stick's erase blocks.
	align = 4 * mib
	// first is where the first partition begins: room for what BIOS boot code may need.
	first = mib

	// maxSize is what a partition table of this kind can say with sectors of 512 bytes.
	maxSize = (1 << 32) * sector
)

// plan is where everything lies, in bytes.
type plan struct{ boot, room extent }

type extent struct{ start, size int64 }

func (e extent) end() int64 { return e.start + e.size }

func (p plan) size() int64 {
	if p.room.size > 0 {
		return p.room.end()
	}
	return p.boot.end()
}

// layOut gives the files a tenth more than they have, for cluster ends and the tables.
func layOut(o Options, files []file) (plan, error) {
	if info, err := os.Stat(o.Out); err == nil && !info.Mode().IsRegular() {
		return plan{}, fmt.Errorf("%s is no regular file: make the image in a file, then write that with bty flash", o.Out)
	}
	var sum int64
	for _, f := range files {
		n, err := f.size()
		if err != nil {
			return plan{}, err
		}
		sum += n
	}
	boot := extent{first, roundUp(max(sum+sum/10+2*mib, o.Boot.space()), mib)}
	room := extent{roundUp(boot.end(), align), roundUp(o.Room, align)}
	p := plan{boot, room}
	if p.size() > maxSize {
		return plan{}, fmt.Errorf("a stick of %d bytes: a partition table that every BIOS starts from ends at %d", p.size(), int64(maxSize))
	}
	return p, nil
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

// Types of partitions.
const (
	typeESP   = 0xef // UEFI 2.10, section 5.2.2
	typeExFAT = 0x07
)

// table is the master boot record behind its boot code: four entries and the signature. UEFI
// starts from it as from a GPT, and no BIOS refuses it.
func (p plan) table(id uint32) []byte {
	b := make([]byte, sector-bootCode)
	binary.LittleEndian.PutUint32(b, id)
	putEntry(b[6:], p.boot, typeESP, true)
	if p.room.size > 0 {
		putEntry(b[22:], p.room, typeExFAT, false)
	}
	b[70], b[71] = 0x55, 0xaa
	return b
}

// bootCode is how much of the first sector is code; the disk's identity and the table follow.
const bootCode = 440

func putEntry(b []byte, e extent, kind byte, active bool) {
	if active {
		b[0] = 0x80
	}
	// The address by cylinder, head and sector is at its limit: firmware takes the other one.
	copy(b[1:4], "\xfe\xff\xff")
	b[4] = kind
	copy(b[5:8], "\xfe\xff\xff")
	binary.LittleEndian.PutUint32(b[8:], uint32(e.start/sector))
	binary.LittleEndian.PutUint32(b[12:], uint32(e.size/sector))
}
