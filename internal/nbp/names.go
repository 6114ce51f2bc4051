package nbp

import (
	"path"
	"slices"
	"strings"
)

// programs returns the names of one iPXE per row, across distributions: Debian 12 and 13, Fedora
// and its relatives, upstream's own. Within a row each may stand for any other; the first names
// are tried first.
func programs() [][]string {
	return [][]string{
		{"undionly.kpxe"},
		{"undionly.kkpxe"},
		{"ipxe.pxe"},
		{"ipxe.lkrn"},
		{"ipxe.efi", "ipxe-amd64.efi", "ipxe-x86_64.efi"},
		{"snponly.efi", "snponly-amd64.efi", "snponly-x86_64.efi", "ipxe-snponly-x86_64.efi"},
		{"ipxe-arm64.efi", "ipxe-aarch64.efi", "arm64-efi/ipxe.efi"},
		{"snponly-arm64.efi", "ipxe-snponly-aarch64.efi", "arm64-efi/snponly.efi"},
		{"ipxe-i386.efi", "ipxe-ia32.efi"},
		{"ipxe-riscv64.efi"},
		{"ipxe-loong64.efi", "ipxe-loongarch64.efi"},
	}
}

// standIns returns, by the first name of a row, the row to use when none of its files is there:
// iPXE with its own drivers does what the one on the firmware's driver does. Never the other way
// round, and never across architectures.
func standIns() map[string]string {
	return map[string]string{"snponly.efi": "ipxe.efi", "snponly-arm64.efi": "ipxe-arm64.efi"}
}

// aliases returns the files that are the program name, best first, and those that can stand in for
// it; none if name is not in the table. Some firmware upper-cases names.
func aliases(name string) (same, standIn []string) {
	row := rowOf(strings.ToLower(name))
	if row == nil {
		return nil, nil
	}
	same = slices.Clone(row)
	if i := slices.Index(same, strings.ToLower(name)); i > 0 {
		same = slices.Insert(slices.Delete(same, i, i+1), 0, row[i])
	}
	return same, rowOf(standIns()[row[0]])
}

func rowOf(name string) []string {
	for _, row := range programs() {
		if slices.Contains(row, name) {
			return row
		}
	}
	return nil
}

// IsProgram reports whether name is one that firmware runs: an iPXE of the table, or any file with
// the suffix of such a program.
func IsProgram(name string) bool {
	lower := strings.ToLower(name)
	switch path.Ext(lower) {
	case ".efi", ".kpxe", ".kkpxe", ".kkkpxe", ".pxe":
		return true
	}
	return rowOf(lower) != nil
}

// IsAutoexec reports whether name asks for iPXE's script, in whatever folder its program was.
func IsAutoexec(name string) bool { return strings.EqualFold(path.Base(name), AutoexecName) }

// Advice says how to get the program name onto this host; empty if it is not one we know.
func Advice(name string) string {
	if rowOf(strings.ToLower(name)) == nil {
		return ""
	}
	return "install the distribution's iPXE (Debian: ipxe; Fedora: ipxe-bootimgs-x86, ipxe-bootimgs-aarch64) or put the file into the boot folder"
}
