package image

import "fmt"

// Arch is an architecture by the name that our files have.
type Arch string

const (
	X86   Arch = "x86_64"
	ARM64 Arch = "arm64"
)

// ParseArch takes the names that make's ARCH has.
func ParseArch(name string) (Arch, error) {
	if a := Arch(name); a == X86 || a == ARM64 {
		return a, nil
	}
	return "", fmt.Errorf("no images for architecture %q; x86_64 and arm64 are known", name)
}

// Go is the name that Go and OCI have for it.
func (a Arch) Go() string {
	if a == X86 {
		return "amd64"
	}
	return string(a)
}
