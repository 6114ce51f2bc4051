package diskimage

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/bits"

	"github.com/dsnet/compress/bzip2"
)

const (
	bzBlock = 0x314159265359 // begins a block
	bzEnd   = 0x177245385090 // ends a stream
	bzMagic = 48             // bits of them

	// No block is longer, compressed: it has 900,000 symbols of at most 20 bits at the very worst.
	bzLongest = 3 << 20
	bzJoins   = 4 // of one block: more is damage, and each takes a decoder
	bzAhead   = 96 << 20
	bzWeight  = 16 << 20 // of a decoder and what waits of it
)

// bzSplitter takes a bzip2 file apart into its blocks, and makes of each a file of one block, for a
// decoder that proves it. Blocks begin at any bit. What looks like the beginning of one may be data
// of another, once in 2^48 bits: a block that does not decode is joined with the one behind it.
type bzSplitter struct {
	src     *bufio.Reader
	level   byte // of the stream; 0: none is open
	streams int

	buf  []byte // from the byte on in which the current block begins
	from int    // the bit of it
	open bool   // there is a current block
	w    uint64 // the last 64 bits

	ended bool   // the end of the stream was seen,
	sum   uint32 // with this checksum of its blocks
	stray bool   // an end was seen behind which nothing sensible follows

	whole uint32 // checksum of the blocks that were decoded of the stream
	free  []*bzip2.Reader
}

// bzUnit is the bits of what seems to be a block.
type bzUnit struct {
	level    byte
	raw      []byte
	from, to int
	joins    int // how often it was
}

func newBzip2(src *bufio.Reader, workers int) (decoder, int64, error) {
	z := &bzSplitter{src: src}
	if err := z.header(); err != nil {
		return nil, 0, noEOF(err)
	}
	return newOrdered(z.next, workers, 4, bzAhead), 0, nil
}

// header reads that of a stream; io.EOF means that there is none.
func (z *bzSplitter) header() error {
	var h [4]byte
	n, err := io.ReadFull(z.src, h[:])
	switch {
	case !bytes.Equal(h[:min(n, 3)], []byte("BZh")[:min(n, 3)]), n == 4 && (h[3] < '1' || h[3] > '9'):
		return errBzTail
	case err != nil:
		return err
	}
	z.level, z.buf, z.from, z.open, z.w = h[3], nil, 0, false, 0
	z.streams++
	return nil
}

var errBzTail = errors.New("bytes that are no bzip2 stream follow the image")

func (z *bzSplitter) next() (part, error) {
	for {
		if z.ended {
			return z.end(), nil
		}
		if z.level == 0 {
			if err := z.header(); err != nil {
				return part{}, err
			}
		}
		at, magic, err := z.scan()
		if err != nil {
			return part{}, err
		}
		u := &bzUnit{level: z.level, raw: z.buf, from: z.from, to: at}
		had := z.open
		if err := z.cut(at, magic); err != nil {
			return part{}, err
		}
		if had {
			return z.part(u), nil
		}
		if at != 0 {
			return part{}, errors.New("a bzip2 stream does not begin with a block")
		}
	}
}

// scan reads up to and with the next magic, which begins at bit at of buf.
func (z *bzSplitter) scan() (at int, magic uint64, err error) {
	for len(z.buf) < bzLongest {
		b, err := z.src.ReadByte()
		if err != nil {
			return 0, 0, z.broken(err)
		}
		z.buf = append(z.buf, b)
		z.w = z.w<<8 | uint64(b)
		for maybe := bzHints[byte(z.w>>8)]; maybe != 0; maybe &= maybe - 1 {
			behind := bits.TrailingZeros8(maybe)
			magic = z.w >> behind & (1<<bzMagic - 1)
			at = len(z.buf)*8 - behind - bzMagic
			if at < 0 || z.open && at < z.from+bzMagic {
				continue
			}
			if magic == bzBlock || magic == bzEnd && z.sensible(behind) {
				return at, magic, nil
			}
		}
	}
	return 0, 0, z.broken(errors.New("a bzip2 block that does not end"))
}

func (z *bzSplitter) broken(err error) error {
	if z.stray && (errors.Is(err, io.EOF) || len(z.buf) >= bzLongest) {
		return errBzTail
	}
	return noEOF(err)
}

// bzHints tells for the last but one byte of a magic how many bits may be behind it in the last.
var bzHints = func() (hints [256]uint8) {
	for behind := range 8 {
		for _, magic := range []uint64{bzBlock, bzEnd} {
			hints[byte(magic<<behind>>8)] |= 1 << behind
		}
	}
	return hints
}()

// sensible reads the checksum behind the end of a stream, and looks whether the file ends there or
// another stream begins.
func (z *bzSplitter) sensible(behind int) bool {
	sum := 4 // bytes, and the bits of the last one of the magic are part of it
	ahead, _ := z.src.Peek(sum + 3)
	if len(ahead) < sum {
		return false
	}
	rest := ahead[sum:]
	if len(rest) > 0 && !bytes.HasPrefix([]byte("BZh"), rest) {
		z.stray = true
		return false
	}
	v := z.w
	for _, b := range ahead[:sum] {
		v = v<<8 | uint64(b)
	}
	z.sum = uint32(v >> behind)
	return true
}

// cut begins the next block at bit at, or ends the stream.
func (z *bzSplitter) cut(at int, magic uint64) error {
	if magic == bzEnd {
		z.ended, z.open, z.buf = true, false, nil
		_, err := z.src.Discard(4)
		return noEOF(err)
	}
	z.open, z.from = true, at%8
	z.buf = append(make([]byte, 0, len(z.buf)+len(z.buf)/4), z.buf[at/8:]...)
	return nil
}

// end is what stands for the end of a stream: it is in order when all its blocks were.
func (z *bzSplitter) end() part {
	sum := z.sum
	z.ended, z.level = false, 0
	return part{inline: true, close: func() {}, open: func() (io.Reader, error) {
		if z.whole != sum {
			return nil, errors.New("the checksum of a bzip2 stream")
		}
		z.whole = 0
		return bytes.NewReader(nil), nil
	}}
}

func (z *bzSplitter) part(u *bzUnit) part {
	dec := new(bzip2.Reader)
	if n := len(z.free); n > 0 {
		dec, z.free = z.free[n-1], z.free[:n-1]
	}
	return part{
		weight: int64(len(u.raw)) + bzWeight,
		unit:   u,
		open: func() (io.Reader, error) {
			return dec, dec.Reset(bytes.NewReader(u.file()))
		},
		close: func() {
			z.whole = bits.RotateLeft32(z.whole, 1) ^ u.sum()
			z.free = append(z.free, dec)
		},
		join: func(behind part) (part, bool) {
			other, ok := behind.unit.(*bzUnit)
			if !ok || u.joins == bzJoins || len(u.raw)+len(other.raw) > bzLongest {
				return part{}, false
			}
			return z.part(u.with(other)), true
		},
	}
}

// sum is the checksum of the block, which stands behind its magic.
func (u *bzUnit) sum() uint32 {
	if u.to-u.from < bzMagic+32 {
		return 0
	}
	b := shifted(u.raw, u.from, u.from+bzMagic+32)
	return uint32(b[6])<<24 | uint32(b[7])<<16 | uint32(b[8])<<8 | uint32(b[9])
}

// file is a bzip2 file of this block alone.
func (u *bzUnit) file() []byte {
	w := bitWriter{out: append(make([]byte, 0, len(u.raw)+32), 'B', 'Z', 'h', u.level)}
	n := u.to - u.from
	w.bits(shifted(u.raw, u.from, u.to), n)
	w.number(bzEnd, bzMagic)
	w.number(uint64(u.sum()), 32)
	return w.out
}

// with is this block and what was taken for the next one, which begins where this ends.
func (u *bzUnit) with(other *bzUnit) *bzUnit {
	w := bitWriter{out: make([]byte, 0, len(u.raw)+len(other.raw))}
	w.bits(shifted(u.raw, u.from, u.to), u.to-u.from)
	w.bits(shifted(other.raw, other.from, other.to), other.to-other.from)
	return &bzUnit{level: u.level, raw: w.out, to: w.n, joins: u.joins + 1}
}

// shifted returns the bits of b from one on, at the beginning of a byte, and zeros behind them.
func shifted(b []byte, from, to int) []byte {
	out := make([]byte, (to-from+7)/8)
	b, skip := b[from/8:], from%8
	for i := range out {
		out[i] = b[i] << skip
		if i+1 < len(b) {
			out[i] |= byte(uint(b[i+1]) >> (8 - skip))
		}
	}
	if over := len(out)*8 - (to - from); over > 0 {
		out[len(out)-1] &= 0xff << over
	}
	return out
}

// bitWriter appends bits, the highest of a byte first.
type bitWriter struct {
	out []byte
	n   int // bits, without what was in out at the beginning
}

// bits appends n bits of b, which has zeros behind them.
func (w *bitWriter) bits(b []byte, n int) {
	used := w.n % 8
	if used == 0 {
		w.out = append(w.out, b...)
	} else {
		for _, v := range b {
			w.out[len(w.out)-1] |= v >> used
			w.out = append(w.out, v<<(8-used))
		}
		if spare := len(b)*8 - n; used <= spare && len(b) > 0 {
			w.out = w.out[:len(w.out)-1] // the last bits had room before
		}
	}
	w.n += n
}

func (w *bitWriter) number(v uint64, n int) {
	b := make([]byte, n/8)
	for i := range b {
		b[i] = byte(v >> (n - 8 - 8*i))
	}
	w.bits(b, n)
}
