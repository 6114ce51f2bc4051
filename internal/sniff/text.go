package sniff

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// maxText is the longest text that is taken from an option, in bytes: as much as one option holds. Several
// of one code may hold more, which no firmware sends, and which would take memory a thousand times over.
const maxText = 255

// text is what an option says, fit to be shown: some end it with NUL, and anybody may send anything.
func text(b []byte) string {
	b = bytes.TrimRight(b, "\x00")
	if isPlain(b) {
		return string(b)
	}
	s := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(string(b), "?"))
	return strings.ToValidUTF8(s[:min(len(s), maxText)], "")
}

func isPlain(b []byte) bool {
	return len(b) <= maxText && !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c > '~' })
}

// userClass reads option 77. RFC 3004 has a list of texts, each behind its length; iPXE and many
// others send the bare text. Of several, iPXE is the one that matters.
func userClass(b []byte) string {
	classes, ok := splitClasses(b)
	if !ok {
		return text(b)
	}
	if slices.Contains(classes, "iPXE") {
		return "iPXE"
	}
	return text([]byte(strings.Join(classes, ", ")))
}

func splitClasses(b []byte) (classes []string, ok bool) {
	for len(b) > 0 {
		n := int(b[0])
		if n == 0 || n >= len(b) {
			return nil, false
		}
		classes, b = append(classes, text(b[1:1+n])), b[1+n:]
	}
	return classes, len(classes) > 0
}

// uuid reads option 97: a zero, then the UUID as SMBIOS has it, whose first three fields are little
// endian. It is spelled as the machine's own system spells it.
func uuid(b []byte) string {
	if len(b) != 17 || b[0] != 0 {
		return ""
	}
	u := slices.Clone(b[1:])
	slices.Reverse(u[:4])
	slices.Reverse(u[4:6])
	slices.Reverse(u[6:8])
	h := hex.EncodeToString(u)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// architectures are the client system architectures of option 93, RFC 4578 section 2.1 and IANA's
// list since. Firmware for EBC (9) is that of x86_64 machines.
var architectures = map[uint16]string{
	0: "x86 BIOS", 6: "x86 UEFI", 7: "x86_64 UEFI", 9: "x86_64 UEFI", 10: "arm UEFI", 11: "arm64 UEFI",
	15: "x86 UEFI HTTP Boot", 16: "x86_64 UEFI HTTP Boot", 17: "x86_64 UEFI HTTP Boot", 18: "arm UEFI HTTP Boot", 19: "arm64 UEFI HTTP Boot",
	20: "x86 BIOS HTTP Boot", 25: "riscv32 UEFI", 26: "riscv32 UEFI HTTP Boot", 27: "riscv64 UEFI", 28: "riscv64 UEFI HTTP Boot",
	37: "loong32 UEFI", 38: "loong32 UEFI HTTP Boot", 39: "loong64 UEFI", 40: "loong64 UEFI HTTP Boot",
}

// Arch is a client system architecture in words.
func Arch(code uint16) string {
	if name, known := architectures[code]; known {
		return name
	}
	return fmt.Sprintf("architecture %d", code)
}
