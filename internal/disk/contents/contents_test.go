package contents

import (
	"bytes"
	"testing"
)

func TestFormats(t *testing.T) {
	for _, m := range marks {
		head := make([]byte, probeLength)
		copy(head[m.offset:], m.bytes)
		if got := formatOf(head); got != m.name {
			t.Errorf("%s: %q", m.name, got)
		}
	}
}

func TestNonsenseHasNoLabel(t *testing.T) {
	if got := exfatLabel(bytes.Repeat([]byte{0xff}, 512), bytes.NewReader(make([]byte, 1<<20))); got != "" {
		t.Errorf("nonsense has the label %q", got)
	}
}

func FuzzExFATLabel(f *testing.F) {
	f.Add(make([]byte, 512))
	f.Fuzz(func(t *testing.T, head []byte) { exfatLabel(head, bytes.NewReader(head)) })
}

func FuzzFormatOf(f *testing.F) {
	f.Add([]byte("LUKS\xba\xbe"))
	f.Fuzz(func(t *testing.T, head []byte) { formatOf(head) })
}
