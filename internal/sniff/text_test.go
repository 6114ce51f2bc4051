package sniff

import (
	"strings"
	"testing"
)

// Memory is bounded by the number of texts, so each must be.
func TestTextIsBounded(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{strings.Repeat("x", 2000), strings.Repeat("x", 255)},
		{strings.Repeat("\U0001F600", 500), strings.Repeat("\U0001F600", 63)},
		{strings.Repeat("\xff", 2000), strings.Repeat("?", 1)},
		{"PXEClient\x00\x00", "PXEClient"},
	} {
		if got := text([]byte(c.in)); got != c.want {
			t.Errorf("%.20q: %d bytes, %.20q", c.in, len(got), got)
		}
	}
}
