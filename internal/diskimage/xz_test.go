package diskimage

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"bty/internal/catalog"
)

// What is not part of a block is proven, too: every bit of headers, index, footer and padding.
func TestXZAroundBlocks(t *testing.T) {
	want := content(100_000)
	for _, options := range []string{"-T1", "-T2 --block-size=32KiB"} {
		whole := tool(t, want, append([]string{"xz", "-0"}, strings.Fields(options)...)...)
		index := len(whole) - 12 - 4*(1+int(whole[len(whole)-8])) // the footer says how long it is
		chunk := 12 + 4*(1+int(whole[12])) + 6                    // its data begins behind the block's header and its own
		for at := range whole {
			if at >= chunk && at < index {
				continue
			}
			for bit := range 8 {
				bad := bytes.Clone(whole)
				bad[at] ^= 1 << bit
				got, err := decode(bad, Options{Hint: catalog.XZ})
				if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) {
					t.Errorf("%s: bit %d of byte %d of %d: %d bytes, %v", options, bit, at, len(whole), len(got), err)
				}
			}
		}
	}
}

// The records of one stream are no proof for another.
func TestXZIndexOfAnother(t *testing.T) {
	one := tool(t, content(300_000), "xz", "-0", "-T2", "--block-size=64KiB")
	other := tool(t, content(300_001), "xz", "-0", "-T2", "--block-size=64KiB")
	index := func(b []byte) int { return len(b) - 12 - 4*(1+int(b[len(b)-8])) }
	mixed := append(bytes.Clone(one[:index(one)]), other[index(other):]...)
	if _, err := decode(mixed, Options{}); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "index") {
		t.Error(err)
	}
}

func TestXZDictionary(t *testing.T) {
	img := tool(t, content(1000), "xz", "--lzma2=dict=256MiB")
	if _, err := decode(img, Options{}); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "256 MiB") {
		t.Error(err)
	}
}

// A block that is larger than what is held comes all the same.
func TestXZLargeBlocks(t *testing.T) {
	want := append(content(1<<20), make([]byte, 70<<20)...)
	for _, options := range []string{"-T1", "-T2 --block-size=36MiB"} {
		img := tool(t, want, append([]string{"xz", "-0"}, strings.Fields(options)...)...)
		if got, err := decode(img, Options{}); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", options, len(got), err)
		}
	}
}

// An image whose blocks have dictionaries of all sizes, in an order that leaves each decoder a large one, takes no
// more memory for those at rest than is allowed for them.
func TestXZIdleDictionaries(t *testing.T) {
	x := &xzSplitter{}
	var used []*xzDecoder
	for round := range 50 {
		for i := range 8 {
			dict := int64(1) << 20
			if i == round%8 {
				dict = 64 << 20
			}
			used = append(used, x.decoder(dict))
		}
		for _, d := range used {
			x.keep(d)
		}
		used = used[:0]
		sum := int64(0)
		for _, d := range x.free {
			sum += d.dict
		}
		if sum != x.idle || sum > xzIdle+64<<20 {
			t.Fatalf("round %d: decoders at rest hold %d MiB, %d are counted", round, sum>>20, x.idle>>20)
		}
	}
	if len(x.free) == 0 {
		t.Error("no decoder is kept")
	}
}
