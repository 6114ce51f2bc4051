package config

import (
	"fmt"
	"strings"
)

// maxKernelWords leaves room for our own: the shortest command line of a kernel has 2048 bytes.
const maxKernelWords = 600

// ownWords are what the appliance writes on a live environment's command line by itself, and what
// would lead the machine elsewhere if it stood there twice.
var ownWords = []string{"bty.server", "bty.mac", "boot", "fetch", "initrd"}

// kernelWords demands words that an iPXE script carries as they are: what would begin another
// command, an expansion or a comment there is refused, not changed.
func kernelWords(k Key, v string) error {
	if len(v) > maxKernelWords {
		return fmt.Errorf("%s has %d bytes; at most %d have room on a kernel's command line", k, len(v), maxKernelWords)
	}
	for _, r := range v {
		if r < ' ' || r > '~' || strings.ContainsRune("$&;\"'`{|}\\", r) {
			return fmt.Errorf("%s has %q, which an iPXE script cannot carry; want words of plain ASCII with blanks between, without $ & ; | { } quotes and backslashes", k, r)
		}
	}
	for word := range strings.FieldsSeq(v) {
		if strings.HasPrefix(word, "#") {
			return fmt.Errorf("%s has %q, which would be a comment in an iPXE script", k, word)
		}
		name, _, _ := strings.Cut(word, "=")
		for _, own := range ownWords {
			if name == own {
				return fmt.Errorf("%s has %q, which the appliance writes there by itself; leave it out", k, word)
			}
		}
	}
	return nil
}
