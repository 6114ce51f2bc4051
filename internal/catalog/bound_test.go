package catalog

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A hostile file of the largest size is refused, or read, in a time that somebody waits.
func TestHostileCatalogs(t *testing.T) {
	const size = 1 << 20
	fill := func(part string) string { return strings.Repeat(part, size/len(part)) }
	numbered := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	tests := map[string]string{
		"arrays in arrays":    "x = " + fill("["),
		"closed arrays":       "x = " + fill("[")[:size/2] + fill("]")[:size/2],
		"tables in tables":    "x = " + fill("{a="),
		"both in turn":        "x = " + fill("[{a="),
		"keys":                numbered("k%d = 1\n"),
		"keys of one image":   "[[images]]\n" + numbered("k%d = 1\n"),
		"images with a key":   numbered("[[images]]\nk%d = 1\n"),
		"images beside keys":  strings.Join(strings.SplitAfter(numbered("k%d = 1\n"), "\n")[:maxKeys-2], "") + fill("[[images]]\n"),
		"tables":              numbered("[t%d]\n"),
		"tables of an image":  "[[images]]\n" + numbered("[images.t%d]\n"),
		"lists of tables":     numbered("[[t%d]]\n"),
		"dotted key":          fill("a.") + "a = 1",
		"dotted table":        "[" + fill("a.") + "a]",
		"inline keys":         "x = {" + numbered("k%d=1,") + "k=1}",
		"inline images":       "images = [" + fill(`{name="a",src="https://h/a"},`) + "]",
		"one list of numbers": "x = [" + fill("1,") + "]",
		"nothing but images":  fill("[[images]]\n"),
		"comments":            fill("#\n"),
		"one string":          `x = "` + fill("a") + `"`,
	}
	for name, raw := range tests {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			listed, err := DecodeTOML([]byte("version = 1\n" + raw))
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("%v: %d images, %.100v", took, len(listed), err)
			} else if testing.Verbose() {
				t.Log(took, err)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}
