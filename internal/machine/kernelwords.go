package machine

import (
	"fmt"
	"slices"
	"strings"
)

// The most that a kernel's command line has room for beside our own words: the shortest one has 2048
// bytes, for those of the site and those of one machine.
const (
	MaxSiteWords   = 600
	MaxKernelWords = 300
)

// ownWords are what the appliance writes on a live environment's command line by itself, and what
// would lead the machine elsewhere if it stood there twice.
var ownWords = []string{"bty.server", "bty.mac", "boot", "fetch", "initrd"}

// CheckKernelWords demands words that an iPXE script carries as they are: what would begin another
// command, an expansion or a comment there is refused, not changed. The error lacks its subject.
func CheckKernelWords(words string, most int) error {
	if len(words) > most {
		return fmt.Errorf("has %d bytes; at most %d have room on a kernel's command line", len(words), most)
	}
	for _, r := range words {
		if r < ' ' || r > '~' || strings.ContainsRune("$&;\"'`{|}\\", r) {
			return fmt.Errorf("has %q, which an iPXE script cannot carry; want words of plain ASCII with blanks between, without $ & ; | { } quotes and backslashes", r)
		}
	}
	for word := range strings.FieldsSeq(words) {
		if strings.HasPrefix(word, "#") {
			return fmt.Errorf("has %q, which would be a comment in an iPXE script", word)
		}
		if name, _, _ := strings.Cut(word, "="); slices.Contains(ownWords, name) {
			return fmt.Errorf("has %q, which the appliance writes there by itself; leave it out", word)
		}
	}
	return nil
}
