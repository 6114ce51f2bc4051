package diskimage

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// What looks like the beginning of a block, but is data of one, must not matter: such a part does
// not decode alone.
func TestBzip2FalseBlock(t *testing.T) {
	want := content(600_000)
	img := tool(t, want, "bzip2", "-9")
	rng := rand.New(rand.NewPCG(5, 5))
	joined := 0
	for range 60 {
		z := &bzSplitter{src: bufio.NewReader(bytes.NewReader(img))}
		if err := z.header(); err != nil {
			t.Fatal(err)
		}
		p, err := z.next()
		if err != nil {
			t.Fatal(err)
		}
		whole := p.unit.(*bzUnit)
		a := whole.from + 80 + rng.IntN(whole.to-whole.from-80)
		b := a + rng.IntN(whole.to-a)
		parts := []part{
			z.part(&bzUnit{whole.level, whole.raw, whole.from, a, 0}),
			z.part(&bzUnit{whole.level, whole.raw, a, b, 0}),
			z.part(&bzUnit{whole.level, whole.raw, b, whole.to, 0}),
		}
		next := func() (part, error) {
			if len(parts) > 0 {
				p := parts[0]
				parts = parts[1:]
				return p, nil
			}
			return z.next()
		}
		o := newOrdered(next, 2, 2, bzAhead)
		got, err := io.ReadAll(struct{ io.Reader }{o})
		o.Close()
		if err == nil && !bytes.Equal(got, want) {
			t.Fatalf("cut at bits %d and %d: other bytes", a, b)
		}
		if err == nil {
			joined++
		}
	}
	if joined < 58 { // a block may end by chance where it was cut, and then its checksum is wrong
		t.Errorf("%d of 60 were joined", joined)
	}
}

// A damaged file may seem to begin a block wherever one looks: it is refused soon.
func TestBzip2FalseBlocks(t *testing.T) {
	img := append([]byte("BZh1"), bytes.Repeat([]byte{0x31, 0x41, 0x59, 0x26, 0x53, 0x59}, 30_000)...)
	begun := time.Now()
	if _, err := decode(img, Options{Hint: "img.bz2"}); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Every bit of what is around the blocks is proven.
func TestBzip2Around(t *testing.T) {
	want := content(250_000)
	whole := tool(t, want, "bzip2", "-1")
	for at := range whole {
		if at >= 14 && at < len(whole)-10 {
			continue
		}
		for bit := range 8 {
			bad := bytes.Clone(whole)
			bad[at] ^= 1 << bit
			got, err := decode(bad, Options{Hint: "img.bz2"})
			if at == 3 && err == nil && bytes.Equal(got, want) {
				continue // a larger block size is none the worse
			}
			if at == len(whole)-1 && err == nil && bytes.Equal(got, want) {
				continue // bits that fill up the last byte
			}
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) {
				t.Errorf("bit %d of byte %d of %d: %d bytes, %v", bit, at, len(whole), len(got), err)
			}
		}
	}
	// Blocks of one file in another order are sound, each by itself.
	z := &bzSplitter{src: bufio.NewReader(bytes.NewReader(whole))}
	z.header()
	var units []*bzUnit
	for {
		p, err := z.next()
		if err != nil || p.inline {
			break
		}
		units = append(units, p.unit.(*bzUnit))
	}
	units[0], units[1] = units[1], units[0]
	w := bitWriter{out: []byte("BZh1")}
	for _, u := range units {
		w.bits(shifted(u.raw, u.from, u.to), u.to-u.from)
	}
	w.number(bzEnd, bzMagic)
	w.number(uint64(z.sum), 32)
	if _, err := decode(w.out, Options{}); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "checksum of a bzip2 stream") {
		t.Error(err)
	}
}

// A block of zeros decodes to fifty times as much as others.
func TestBzip2Zeros(t *testing.T) {
	img := tool(t, make([]byte, 100<<20), "bzip2")
	r, err := Open(bytes.NewReader(img), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{r}, make([]byte, 1<<20)); n != 100<<20 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}
