package diskimg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode/utf16"
)

// PutExFAT puts a file into the root directory of a new exFAT file system that begins at an offset of
// an image: no kernel here mounts one, and nobody has a tool for it as mtools is for FAT. Section
// numbers are those of the exFAT specification.
func PutExFAT(image string, at int64, name string, data []byte) error {
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	v := exfat{file: f, at: at}
	return errors.Join(v.put(name, data), f.Close())
}

type exfat struct {
	file    *os.File
	at      int64
	heap    int64 // of the first cluster, number 2
	cluster int64
	root    uint32
}

func (v *exfat) read(off, n int64) ([]byte, error) {
	b := make([]byte, n)
	_, err := v.file.ReadAt(b, v.at+off)
	return b, err
}

func (v *exfat) write(off int64, b []byte) error {
	_, err := v.file.WriteAt(b, v.at+off)
	return err
}

func (v *exfat) where(cluster uint32) int64 { return v.heap + int64(cluster-2)*v.cluster }

func (v *exfat) put(name string, data []byte) error {
	boot, err := v.read(0, 512) // 3.1
	if err != nil {
		return err
	}
	if string(boot[3:11]) != "EXFAT   " {
		return fmt.Errorf("no exFAT at %d", v.at)
	}
	shift := boot[108]
	v.cluster = int64(1) << (shift + boot[109])
	v.heap = int64(binary.LittleEndian.Uint32(boot[88:])) << shift
	v.root = binary.LittleEndian.Uint32(boot[96:])
	dir, err := v.read(v.where(v.root), v.cluster)
	if err != nil {
		return err
	}
	first, err := v.allocate(dir, (int64(len(data))+v.cluster-1)/v.cluster)
	if err != nil {
		return err
	}
	if err := v.write(v.where(first), data); err != nil {
		return err
	}
	free := 0
	for dir[free] != 0 { // 6.2.1.1
		free += 32
	}
	entries := entrySet(name, first, int64(len(data)))
	if free+len(entries) > len(dir) {
		return errors.New("the root directory is full")
	}
	return v.write(v.where(v.root)+int64(free), entries)
}

// allocate takes a run of clusters out of the bitmap (7.1).
func (v *exfat) allocate(dir []byte, n int64) (uint32, error) {
	for e := dir; len(e) >= 32 && e[0] != 0; e = e[32:] {
		if e[0] != 0x81 {
			continue
		}
		off := v.where(binary.LittleEndian.Uint32(e[20:]))
		bits, err := v.read(off, int64(binary.LittleEndian.Uint64(e[24:])))
		if err != nil {
			return 0, err
		}
		used := len(bits) * 8
		for used > 0 && bits[(used-1)/8]>>((used-1)%8)&1 == 0 {
			used--
		}
		if int64(used)+n > int64(len(bits))*8 {
			return 0, errors.New("there is no room")
		}
		for i := used; i < used+int(n); i++ {
			bits[i/8] |= 1 << (i % 8)
		}
		return uint32(used) + 2, v.write(off, bits)
	}
	return 0, errors.New("there is no allocation bitmap")
}

// entrySet is a file's directory entries: the file, where it is, and its name (7.4, 7.6, 7.7).
func entrySet(name string, first uint32, size int64) []byte {
	units := utf16.Encode([]rune(name))
	names := (len(units) + 14) / 15
	b := make([]byte, 32*(2+names))
	b[0], b[1], b[4] = 0x85, byte(1+names), 0x20
	stream := b[32:]
	stream[0], stream[1], stream[3] = 0xc0, 3, byte(len(units)) // 3: the clusters follow one another
	binary.LittleEndian.PutUint16(stream[4:], nameHash(strings.ToUpper(name)))
	binary.LittleEndian.PutUint64(stream[8:], uint64(size))
	binary.LittleEndian.PutUint32(stream[20:], first)
	binary.LittleEndian.PutUint64(stream[24:], uint64(size))
	for i, u := range units {
		e := b[64+32*(i/15):]
		e[0] = 0xc1
		binary.LittleEndian.PutUint16(e[2+2*(i%15):], u)
	}
	var sum uint16
	for i, c := range b {
		if i != 2 && i != 3 { // where it goes itself (6.3.3)
			sum = (sum<<15 | sum>>1) + uint16(c)
		}
	}
	binary.LittleEndian.PutUint16(b[2:], sum)
	return b
}

func nameHash(upper string) uint16 {
	var sum uint16
	for _, u := range utf16.Encode([]rune(upper)) {
		sum = (sum<<15 | sum>>1) + u&0xff
		sum = (sum<<15 | sum>>1) + u>>8
	}
	return sum
}
