package builder

import (
	"fmt"
	"os"

	"bty/internal/kernelfile"
)

// kernelFile is a kernel that firmware or iPXE can start.
type kernelFile struct {
	data    []byte
	version string // "6.1.0-56-amd64"; "" when the file does not say
}

func readKernel(path string, arch Arch) (kernelFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return kernelFile{}, fmt.Errorf("the kernel: %w", err)
	}
	version, err := kernelVersion(data, arch)
	if err != nil {
		return kernelFile{}, fmt.Errorf("the kernel %s: %w", path, err)
	}
	return kernelFile{data: data, version: version}, nil
}

func kernelVersion(data []byte, arch Arch) (string, error) {
	if arch == ARM64 {
		return kernelfile.ARM64Version(data)
	}
	return kernelfile.X86Version(data)
}
