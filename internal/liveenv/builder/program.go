package builder

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
)

// readProgram reads the bty that becomes init. There is no dynamic linker in the initramfs:
// a dynamic program would end in a kernel panic on every machine.
func readProgram(path string, arch Arch) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the bty to embed: %w; build it (go build ./cmd/bty) or name it with --bty", err)
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("the bty to embed, %s: not a program for Linux: %w", path, err)
	}
	if f.Machine != arch.machine() {
		return nil, fmt.Errorf("the bty to embed, %s, is for %v; the live environment is for %s: name another with --bty", path, f.Machine, arch)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return nil, fmt.Errorf("the bty to embed, %s, is linked dynamically; build it with CGO_ENABLED=0", path)
		}
	}
	return data, nil
}
