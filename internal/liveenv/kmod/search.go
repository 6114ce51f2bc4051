package kmod

import (
	"bytes"
	"iter"
	"strings"
)

func firstField(line string) string {
	key, _, _ := strings.Cut(line, " ")
	return key
}

// literalPrefix is the part of an alias line that a modalias must begin with.
func literalPrefix(line string) string {
	if i := strings.IndexAny(line, "*?[\\ "); i >= 0 {
		return line[:i]
	}
	return line
}

// linesWithKey yields the lines of data, sorted by key, whose key is want.
func linesWithKey(data []byte, want string, key func(string) string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for at := lowerBound(data, want, key); at < len(data); {
			line, next := lineAt(data, at)
			if key(line) != want || !yield(line) {
				return
			}
			at = next
		}
	}
}

// lowerBound is the offset of the first line whose key is not less than want.
func lowerBound(data []byte, want string, key func(string) string) int {
	lo, hi := 0, len(data)
	for lo < hi {
		start := lineStart(data, lo+(hi-lo)/2)
		line, next := lineAt(data, start)
		if key(line) < want {
			lo = next
		} else {
			hi = start
		}
	}
	return lo
}

// lineStart is the offset of the line that holds offset at.
func lineStart(data []byte, at int) int { return bytes.LastIndexByte(data[:at], '\n') + 1 }

func lineAt(data []byte, start int) (line string, next int) {
	if n := bytes.IndexByte(data[start:], '\n'); n >= 0 {
		return string(data[start : start+n]), start + n + 1
	}
	return string(data[start:]), len(data)
}
