package kmod

import "strings"

// normalisePattern turns hyphens into underscores outside of brackets, as modprobe does for
// aliases; inside of brackets a hyphen is a range.
func normalisePattern(pattern string) string {
	b := []byte(pattern)
	inside := false
	for i, c := range b {
		switch {
		case c == '[':
			inside = true
		case c == ']':
			inside = false
		case c == '-' && !inside:
			b[i] = '_'
		}
	}
	return string(b)
}

// matchGlob is fnmatch(3) without flags, as far as kernel aliases need it: * ? [set] [a-z].
// Unlike path.Match a star crosses slashes. It backtracks to the last star only, so the time
// is bounded by the product of the lengths.
func matchGlob(pattern, s string) bool {
	p, i := 0, 0
	star, mark := -1, 0
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			star, mark = p, i
			p++
			continue
		}
		if width, ok := matchOne(pattern[p:], s[i]); ok {
			p += width
			i++
			continue
		}
		if star < 0 {
			return false
		}
		mark++
		p, i = star+1, mark
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// matchOne matches one byte against the first element of a pattern and returns its width.
func matchOne(pattern string, c byte) (int, bool) {
	if pattern == "" {
		return 0, false
	}
	switch pattern[0] {
	case '?':
		return 1, true
	case '[':
		if end := strings.IndexByte(pattern, ']'); end > 0 {
			return end + 1, inSet(pattern[1:end], c)
		}
	}
	return 1, pattern[0] == c
}

func inSet(set string, c byte) bool {
	negate := strings.HasPrefix(set, "!") || strings.HasPrefix(set, "^")
	if negate {
		set = set[1:]
	}
	for i := 0; i < len(set); i++ {
		if i+2 < len(set) && set[i+1] == '-' {
			if set[i] <= c && c <= set[i+2] {
				return !negate
			}
			i += 2
			continue
		}
		if set[i] == c {
			return !negate
		}
	}
	return negate
}
