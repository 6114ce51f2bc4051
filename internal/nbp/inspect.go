package nbp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// Content is what a boot program's file says of itself.
type Content struct {
	Firmware Firmware // that its header names, "" if it has none that is known
	Version  string   // of iPXE, "" if it does not say: those for BIOS are compressed
	Readable bool     // its texts can be read
	Autoexec bool     // it asks for AutoexecName: iPXE does since 2021
}

// maxProgram is larger than any boot program, in bytes.
const maxProgram = 16 << 20

// version is how iPXE's texts have it, upstream's and the distributions'.
var version = regexp.MustCompile(`\x00(\d+\.\d+\.\d+[0-9A-Za-z+~.:()_ -]{0,60})\x00`)

// Inspect reads a boot program's file.
func Inspect(r io.Reader) (Content, error) {
	var c Content
	var says bool // that it is iPXE
	r = io.LimitReader(r, maxProgram)
	window := make([]byte, 0, windowSize)
	for first := true; ; first = false {
		n, err := io.ReadFull(r, window[len(window):windowSize])
		window = window[:len(window)+n]
		if first {
			c.Firmware = peFirmware(window)
		}
		c.Autoexec = c.Autoexec || bytes.Contains(window, []byte(AutoexecName))
		says = says || bytes.Contains(window, []byte("iPXE"))
		if m := version.FindSubmatch(window); m != nil && c.Version == "" {
			c.Version = string(m[1])
		}
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			c.Readable = c.Firmware != "" && says
			return c, nil
		case err != nil:
			return Content{}, fmt.Errorf("read a boot program: %w", err)
		}
		window = window[:copy(window, window[windowSize-longestText:])]
	}
}

// A program is looked at piece by piece, so that a small daemon stays small: the pieces overlap by
// what may lie across their edge.
const (
	windowSize  = 64 << 10
	longestText = 128
)

// peFirmware reads the processor from the header of a PE file (PE Format, COFF File Header).
func peFirmware(data []byte) Firmware {
	const offsetAt, signature = 0x3c, "PE\x00\x00"
	if len(data) < offsetAt+4 || string(data[:2]) != "MZ" {
		return ""
	}
	at := int64(binary.LittleEndian.Uint32(data[offsetAt:]))
	if at+6 > int64(len(data)) || string(data[at:at+4]) != signature {
		return ""
	}
	switch binary.LittleEndian.Uint16(data[at+4:]) {
	case 0x8664:
		return X64
	case 0x14c:
		return IA32
	case 0xaa64:
		return ARM64
	case 0x1c2, 0x1c4:
		return ARM32
	case 0x5064:
		return RISCV64
	case 0x6264:
		return Loong64
	}
	return UEFI
}
