package diskimage

import (
	"io"
	"strings"
	"testing"
)

// A decoder of others that panics is an image that cannot be read, not the end of the program.
func TestDecoderPanics(t *testing.T) {
	parts := []part{{open: func() (io.Reader, error) { panic("index out of range") }, close: func() {}}}
	o := newOrdered(func() (part, error) {
		if len(parts) == 0 {
			return part{}, io.EOF
		}
		p := parts[0]
		parts = nil
		return p, nil
	}, 2, 2, bzAhead)
	defer o.Close()
	if _, err := o.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "index out of range") {
		t.Error(err)
	}
}
