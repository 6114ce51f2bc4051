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
	return data, checkProgram("the bty to embed, "+path, data, arch, "name another with --bty", "build it with CGO_ENABLED=0")
}

// readRescue reads the shell of a person in need; the same holds for it.
func readRescue(path string, arch Arch) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the busybox for rescue: %w", err)
	}
	return data, checkProgram("the busybox for rescue, "+path, data, arch, "name another with --rescue", "Debian's package busybox-static has one that is not")
}

// checkProgram says what is wrong with what, and what to do about a wrong machine or a dynamic linker.
func checkProgram(what string, data []byte, arch Arch, another, static string) error {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%s: not a program for Linux: %w", what, err)
	}
	if f.Machine != arch.machine() {
		return fmt.Errorf("%s, is for %v; the live environment is for %s: %s", what, f.Machine, arch, another)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s, is linked dynamically; %s", what, static)
		}
	}
	return nil
}
