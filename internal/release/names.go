package release

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"bty/internal/fault"
)

// ownPrefix begins the names of what this package keeps in the boot folder beside the files: sets
// that are not whole, and the plan of a switch.
const ownPrefix = ".bty-"

// listName is a name that GET gives to the list of release fetches.
const listName = "releases"

// IsOwn reports whether a name in the boot folder is no boot file but the appliance's own.
func IsOwn(name string) bool { return strings.HasPrefix(name, ownPrefix) }

// CheckName refuses what cannot be the name of a boot file.
func CheckName(name string) error {
	switch {
	case name == "", name == ".", name == "..", strings.ContainsAny(name, "/\\\x00"):
		return fault.New(fault.Invalid, "invalid name '%s': must be a bare filename without folders", name)
	case IsOwn(name), name == listName:
		return fault.New(fault.Invalid, "invalid name '%s': the appliance keeps it for itself; choose another", name)
	}
	return nil
}

// checkNewName also refuses what no list and no plan of a switch can spell: the file would get another
// name than it was sent under, or none.
func checkNewName(name string) error {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return fault.New(fault.Invalid, "invalid name %q: it has characters that are no text; choose another", name)
	}
	return CheckName(name)
}

// Artifacts are the files of one release of the Debian live environment, in the order in which
// they are fetched. The last one lists the digests of the others.
func Artifacts(version string) [4]string {
	stem := "bty-netboot-pc-x86_64-v" + version
	return [4]string{stem + ".vmlinuz", stem + ".initrd", stem + ".squashfs", stem + ".sha256"}
}
