package builder

import (
	"debug/elf"
	"fmt"
)

// Arch is a machine architecture, spelled as iPXE's ${buildarch} spells it.
type Arch string

// The architectures that a live environment can be built for.
const (
	X86_64 Arch = "x86_64"
	ARM64  Arch = "arm64"
)

// ParseArch also takes the names that Debian, Go and the kernel use.
func ParseArch(s string) (Arch, error) {
	switch s {
	case "x86_64", "amd64":
		return X86_64, nil
	case "arm64", "aarch64":
		return ARM64, nil
	}
	return "", fmt.Errorf("architecture %q: want x86_64 or arm64", s)
}

func (a Arch) machine() elf.Machine {
	if a == ARM64 {
		return elf.EM_AARCH64
	}
	return elf.EM_X86_64
}
