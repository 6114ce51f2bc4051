package machinelog

import (
	"regexp"
	"strings"
	"unicode"
)

// sequence is what a terminal takes for a command: colours and the like.
var sequence = regexp.MustCompile("\x1b(?:\\[[0-9;?]*[ -/]*[@-~]|[@-Z\\\\-_])")

// Plain is a log as it can be shown: valid text, without what a terminal would take for a command.
// A line that was written over itself shows what was written last.
func Plain(log []byte) string {
	text := sequence.ReplaceAllString(strings.ToValidUTF8(string(log), "\uFFFD"), "")
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		b.WriteString(strings.Map(shown, line[strings.LastIndexByte(line, '\r')+1:]))
		b.WriteByte('\n')
	}
	return b.String()
}

// shown drops what has no picture of its own, and what turns the order of others.
func shown(r rune) rune {
	if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
		return -1
	}
	return r
}
