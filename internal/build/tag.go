package build

import "strings"

// maxTag is how long a registry lets a tag be.
const maxTag = 128

// Tag is a version as the tag of an image: characters that a tag may not have become hyphens.
func Tag(version string) string {
	tag := strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '-'
	}, version)
	tag = strings.TrimLeft(tag, ".-")
	if tag == "" {
		return "unknown"
	}
	return tag[:min(len(tag), maxTag)]
}
