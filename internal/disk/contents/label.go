package contents

import (
	"encoding/binary"
	"io"
	"strings"
	"unicode/utf16"
)

// labels are where formats keep the name that a person gave.
var labels = map[string][]struct {
	mark    string // at markAt, where a format has variants
	markAt  int
	at, len int
}{
	"ext2/3/4":    {{at: 0x478, len: 16}},
	"xfs":         {{at: 108, len: 12}},
	"btrfs":       {{at: 0x1012b, len: 256}},
	"swap":        {{at: 0x41c, len: 16}},
	"ISO 9660":    {{at: 0x8028, len: 32}},
	"RAID member": {{at: 0x1020, len: 32}},
	"FAT":         {{"FAT32   ", 82, 71, 11}, {"FAT1", 54, 43, 11}},
}

// labelOf is the name of a file system, "" if it has none.
func labelOf(format string, head []byte, device io.ReaderAt) string {
	if format == "exFAT" {
		return exfatLabel(head, device)
	}
	for _, l := range labels[format] {
		if l.at+l.len > len(head) || !strings.HasPrefix(string(head[l.markAt:]), l.mark) {
			continue
		}
		text, _, _ := strings.Cut(string(head[l.at:l.at+l.len]), "\x00")
		if text = strings.TrimSpace(text); text == "NO NAME" { // how FAT says that it has none
			return ""
		}
		return text
	}
	return ""
}

// exfatLabel reads the label's entry in the root directory (exFAT specification, 3.1 and 7.3).
func exfatLabel(head []byte, device io.ReaderAt) string {
	if len(head) < 512 {
		return ""
	}
	heap, root := int64(binary.LittleEndian.Uint32(head[88:])), int64(binary.LittleEndian.Uint32(head[96:]))
	sector, cluster := head[108], head[109]
	if sector < 9 || sector > 12 || cluster > 25-sector || root < 2 {
		return ""
	}
	var entries [4096]byte // it is among the first
	n, _ := device.ReadAt(entries[:], (heap+(root-2)<<cluster)<<sector)
	for e := entries[:n]; len(e) >= 32 && e[0] != 0; e = e[32:] {
		if length := int(e[1]); e[0] == 0x83 && length <= 11 {
			var units [11]uint16
			for i := range length {
				units[i] = binary.LittleEndian.Uint16(e[2+2*i:])
			}
			return string(utf16.Decode(units[:length]))
		}
	}
	return ""
}
