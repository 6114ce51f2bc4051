package tui

import (
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// plain makes text safe to show: nothing in it moves the cursor, and on a terminal without UTF-8
// nothing in it is more than one byte.
func plain(s string, ascii bool) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == unicode.ReplacementChar || ascii && r > '~' && unicode.IsPrint(r):
			return '?'
		case !unicode.IsPrint(r):
			return ' '
		}
		return r
	}, s)
}

// fit cuts text to a number of cells and says so with its last ones.
func fit(s string, width int, ascii bool) string {
	if ansi.StringWidth(s) <= width {
		return s
	}
	tail := "\u2026"
	if ascii {
		tail = "~"
	}
	return ansi.Truncate(s, max(width, 0), tail)
}

// cell is text in exactly that many cells.
func cell(s string, width int, ascii bool) string {
	s = fit(s, width, ascii)
	return s + strings.Repeat(" ", max(0, width-ansi.StringWidth(s)))
}

// wrap breaks text into lines, at blanks where it has some, at most that many.
func wrap(s string, width, most int, ascii bool) []string {
	var lines []string
	rest := strings.Join(strings.Fields(s), " ")
	for rest != "" && len(lines) < most-1 && ansi.StringWidth(rest) > width {
		head := ansi.Truncate(rest, width, "")
		if cut := strings.LastIndexByte(head, ' '); cut > width/2 {
			head = head[:cut]
		}
		lines = append(lines, head)
		rest = strings.TrimLeft(rest[len(head):], " ")
	}
	if rest == "" {
		return lines
	}
	return append(lines, fit(rest, width, ascii))
}

// sentence begins with a capital letter.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
