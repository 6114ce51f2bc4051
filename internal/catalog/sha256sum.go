package catalog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// maxShown is how many names of a file, and how many bytes of a line, a message shows.
const maxShown = 10

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
		digest, listed, err := sumLine(line)
		if err != nil {
			return Digest{}, err
		}
		if listed == name {
			return digest, nil
		}
		names = append(names, listed)
	}
	if err := lines.Err(); err != nil {
		return Digest{}, fmt.Errorf("malformed sha256sum file: %w", err)
	}
	return Digest{}, notListed(name, names)
}

// ParseDigests returns what a sha256sum file lists, by name. One that lists nothing, or a name twice
// with different digests, is refused.
func ParseDigests(file []byte) (map[string]Digest, error) {
	listed := map[string]Digest{}
	for line := range strings.Lines(string(file)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		digest, name, err := sumLine(line)
		if err != nil {
			return nil, err
		}
		if other, twice := listed[name]; twice && other != digest {
			return nil, fmt.Errorf("malformed sha256sum file: it lists %.*q twice, with different digests", 8*maxShown, name)
		}
		listed[name] = digest
	}
	if len(listed) == 0 {
		return nil, errors.New("the sha256sum file lists nothing")
	}
	return listed, nil
}

// sumLine reads one line: a digest, white space, and a name that may carry the mark of binary
// mode and a leading "./".
func sumLine(line string) (d Digest, name string, err error) {
	hexed, rest := line, ""
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		hexed, rest = line[:i], line[i:]
	}
	if d, err = ParseDigest(hexed); err != nil {
		return d, "", fmt.Errorf("malformed sha256sum line %.*q: want 64 hex digits and a name", 8*maxShown, line)
	}
	return d, strings.TrimLeft(rest, " \t*./"), nil
}

func notListed(name string, names []string) error {
	switch {
	case len(names) == 0:
		return errors.New("the sha256sum file lists nothing")
	case len(names) > maxShown:
		return fmt.Errorf("the sha256sum file does not list %q; it lists %q and %d more", name, names[:maxShown], len(names)-maxShown)
	}
	return fmt.Errorf("the sha256sum file does not list %q; it lists %q", name, names)
}
