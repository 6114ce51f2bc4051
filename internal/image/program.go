package image

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"os"
)

// readProgram reads a program and refuses one that would not start in an image: of another
// architecture, or with an interpreter, which an image without a base does not have.
func readProgram(path string, arch Arch) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w; make build ARCH=%s makes it", err, arch)
	}
	info, err := buildinfo.Read(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("%s is no program of ours: %w; make build ARCH=%s makes it", path, err, arch)
	}
	for _, s := range info.Settings {
		if s.Key == "GOARCH" && s.Value != arch.Go() {
			return nil, fmt.Errorf("%s is for %s, not for %s; make build ARCH=%s makes that one", path, s.Value, arch.Go(), arch)
		}
	}
	file, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("%s is no Linux program: %w", path, err)
	}
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP {
			return nil, fmt.Errorf("%s is linked dynamically; an image has no libraries: build it with CGO_ENABLED=0", path)
		}
	}
	return content, nil
}
