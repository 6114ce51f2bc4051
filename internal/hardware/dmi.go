package hardware

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Structure types of the SMBIOS specification (DSP0134, section 7).
const (
	dmiBIOS      = 0
	dmiSystem    = 1
	dmiBoard     = 2
	dmiChassis   = 3
	dmiProcessor = 4
	dmiArray     = 16 // physical memory array
	dmiModule    = 17 // memory device
	dmiEnd       = 127
)

// maxStructures bounds the walk over a table; a large server has some hundreds.
const maxStructures = 4096

// structure is one structure of a DMI table: a formatted area and its strings.
type structure struct {
	kind    byte
	handle  uint16
	data    []byte // the formatted area, with its four bytes of header
	strings []string
}

// parseDMI reads a DMI table (DSP0134, section 6.1.2): structure after structure, each with its
// length in the second byte, then zero-terminated strings, then one more zero byte. What follows
// a broken structure is left out.
func parseDMI(table []byte) []structure {
	var all []structure
	for len(table) >= 4 && len(all) < maxStructures {
		length := int(table[1])
		if length < 4 || length > len(table) {
			break
		}
		s := structure{kind: table[0], handle: binary.LittleEndian.Uint16(table[2:]), data: table[:length]}
		if s.kind == dmiEnd {
			break
		}
		s.strings, table = parseStrings(table[length:])
		all = append(all, s)
	}
	return all
}

// parseStrings splits off the strings behind a structure; without any there are two zero bytes.
func parseStrings(b []byte) (list []string, rest []byte) {
	for len(b) > 0 {
		end := bytes.IndexByte(b, 0)
		if end < 0 {
			return append(list, string(b)), nil
		}
		if end == 0 {
			if len(list) == 0 && len(b) > 1 && b[1] == 0 {
				return nil, b[2:]
			}
			return list, b[1:]
		}
		list, b = append(list, string(b[:end])), b[end+1:]
	}
	return list, nil
}

// dmi reads the firmware's table; a machine without one, or a reader who is not root, has none.
func (s Source) dmi() []structure {
	table, _ := readFile(s.Sys, "firmware/dmi/tables/DMI", maxTable)
	return parseDMI(table)
}

func ofKind(table []structure, kind byte) []structure {
	var found []structure
	for _, s := range table {
		if s.kind == kind {
			found = append(found, s)
		}
	}
	return found
}

// one is the first structure of a kind, an empty one if there is none.
func one(table []structure, kind byte) structure {
	for _, s := range table {
		if s.kind == kind {
			return s
		}
	}
	return structure{}
}

func (s structure) exists() bool { return len(s.data) > 0 }

// name is the lshw handle of the structure.
func (s structure) name() string {
	if !s.exists() {
		return ""
	}
	return fmt.Sprintf("DMI:%04X", s.handle)
}

// text is the string that the byte at offset names, "" if none or nobody filled it in.
func (s structure) text(offset int) string {
	n := int(s.byte(offset))
	if n == 0 || n > len(s.strings) {
		return ""
	}
	return named(s.strings[n-1])
}

// byte, word, long and quad read numbers of the formatted area; older firmware has shorter
// structures, and what is not there is zero.
func (s structure) byte(offset int) byte {
	if offset >= len(s.data) {
		return 0
	}
	return s.data[offset]
}

func (s structure) word(offset int) uint16 {
	if offset+2 > len(s.data) {
		return 0
	}
	return binary.LittleEndian.Uint16(s.data[offset:])
}

func (s structure) long(offset int) uint32 {
	if offset+4 > len(s.data) {
		return 0
	}
	return binary.LittleEndian.Uint32(s.data[offset:])
}
