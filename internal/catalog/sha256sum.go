package catalog

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
)

// FindDigest returns the digest that a sha256sum file lists for a base name. A file with a line
// that is not sha256sum's is refused whole.
func FindDigest(file []byte, name string) (Digest, error) {
	var names []string
	lines := bufio.NewScanner(bytes.NewReader(file))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		hexed, rest, _ := strings.Cut(line, " ")
		digest, err := ParseDigest(hexed)
		if err != nil {
			return Digest{}, fmt.Errorf("malformed sha256sum line %q: %w", line, err)
		}
		listed := strings.TrimLeft(rest, " \t*./")
		if listed == name {
			return digest, nil
		}
		names = append(names, listed)
	}
	if err := lines.Err(); err != nil {
		return Digest{}, fmt.Errorf("malformed sha256sum file: %w", err)
	}
	return Digest{}, fmt.Errorf("the sha256sum file does not list %q; it lists %q", name, names)
}
