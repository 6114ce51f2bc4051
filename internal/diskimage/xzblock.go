package diskimage

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// xzBlock walks over one block without decoding: each chunk of LZMA2 says how long it is and how
// much it decodes to, so that the block's end is known. As an io.Reader it gives the block's bytes.
type xzBlock struct {
	src   *bufio.Reader
	check int    // bytes of the check behind the data
	size  uint64 // decoded, as the header says; 0: it does not say
	dict  int64

	header   []byte // as long as nothing of it was given
	heads    int    // its length
	packed   int64  // bytes of the chunks
	unpacked int64
	left     int // bytes of the current piece not yet given
	state    int
}

const (
	xzChunks = iota
	xzLast   // the mark behind the last chunk is the current piece
	xzEnd    // padding and check are
)

var errXZBlock = errors.New("the header of an xz block")

// beginXZBlock reads the header of a block (section 3.1 of the format).
func beginXZBlock(src *bufio.Reader, check byte) (*xzBlock, error) {
	first, err := src.Peek(1)
	if err != nil {
		return nil, err
	}
	n := (int(first[0]) + 1) * 4
	h := make([]byte, n)
	if _, err := io.ReadFull(src, h); err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(h[:n-4]) != binary.LittleEndian.Uint32(h[n-4:]) {
		return nil, errXZBlock
	}
	b := &xzBlock{src: src, check: xzCheckLen(check), header: h, heads: n, left: n}
	return b, b.parse(h[1 : n-4])
}

// xzCheckLen: section 2.1.1.2.
func xzCheckLen(id byte) int {
	if id == 0 {
		return 0
	}
	return 4 << ((id - 1) / 3)
}

// parse reads the sizes and the dictionary of the last filter, which is LZMA2.
func (b *xzBlock) parse(h []byte) error {
	flags := h[0]
	h = h[1:]
	if flags&0x3c != 0 {
		return errXZBlock
	}
	number := func() (v uint64) {
		v, n := binary.Uvarint(h)
		if n <= 0 {
			h = nil
			return 1 << 63
		}
		h = h[n:]
		return v
	}
	if flags&0x40 != 0 {
		number()
	}
	if flags&0x80 != 0 {
		b.size = number()
	}
	for range flags & 3 { // the filters before the last one
		number()
		if n := number(); n <= uint64(len(h)) {
			h = h[n:]
		}
	}
	id, n := number(), number()
	if id != 0x21 || n != 1 || len(h) < 1 {
		return fmt.Errorf("%w: it is xz with a filter that is not known", ErrFormat)
	}
	return b.dictionary(h[0])
}

// dictionary: section 5.3.1.
func (b *xzBlock) dictionary(bits byte) error {
	if bits > 40 {
		return errXZBlock
	}
	b.dict = int64(2|bits&1) << (bits/2 + 11)
	if b.dict > maxDict {
		return fmt.Errorf("%w: it needs an xz dictionary of %d MiB, the limit is %d; compress it with xz -9 at most", ErrFormat, b.dict>>20, maxDict>>20)
	}
	return nil
}

// step goes on to the next piece when the current one is used up.
func (b *xzBlock) step() error {
	b.header = nil
	switch b.state {
	case xzChunks:
		return b.chunk()
	case xzLast:
		b.left = int(-b.packed&3) + b.check
		b.state = xzEnd
		return nil
	}
	return io.EOF
}

// chunk looks at the head of a chunk of LZMA2 (liblzma's lzma2_decoder.c has the only description).
func (b *xzBlock) chunk() error {
	first, err := b.src.Peek(1)
	if err != nil {
		return noEOF(err)
	}
	c := first[0]
	need := 3
	switch {
	case c == 0:
		b.left, b.state = 1, xzLast
		b.packed++
		return nil
	case c >= 0xc0:
		need = 6
	case c >= 0x80:
		need = 5
	case c > 2:
		return errors.New("a chunk of LZMA2")
	}
	h, err := b.src.Peek(need)
	if err != nil {
		return noEOF(err)
	}
	size := int(binary.BigEndian.Uint16(h[1:])) + 1
	if c < 0x80 {
		b.unpacked += int64(size)
		b.left = need + size
	} else {
		b.unpacked += int64(c&0x1f)<<16 + int64(size)
		b.left = need + int(binary.BigEndian.Uint16(h[3:])) + 1
	}
	b.packed += int64(b.left)
	return nil
}

func (b *xzBlock) unpadded() int64 { return int64(b.heads) + b.packed + int64(b.check) }

func (b *xzBlock) Read(p []byte) (int, error) {
	for b.left == 0 {
		if err := b.step(); err != nil {
			return 0, err
		}
	}
	if b.header != nil {
		n := copy(p, b.header[len(b.header)-b.left:])
		b.left -= n
		return n, nil
	}
	n, err := b.src.Read(p[:min(len(p), b.left)])
	b.left -= n
	if n == 0 && err != nil {
		return 0, noEOF(err)
	}
	return n, nil
}

// take appends the block to buf as long as neither it nor what it decodes to is over limit; whole
// is false when the rest of it is still to be read.
func (b *xzBlock) take(buf []byte, limit int) (_ []byte, whole bool, err error) {
	for {
		if b.left == 0 {
			err := b.step()
			if errors.Is(err, io.EOF) {
				return buf, true, nil
			}
			if err != nil {
				return buf, false, err
			}
		}
		if len(buf)+b.left > limit || b.unpacked > int64(limit) {
			return buf, false, nil
		}
		at := len(buf)
		buf = slices.Grow(buf, b.left)[:at+b.left]
		if _, err := io.ReadFull(b, buf[at:]); err != nil {
			return buf, false, noEOF(err)
		}
	}
}

// xzTail is the index and the footer of a stream with the one block b.
func xzTail(head [12]byte, b *xzBlock) []byte {
	index := []byte{0, 1}
	index = binary.AppendUvarint(index, uint64(b.unpadded()))
	index = binary.AppendUvarint(index, uint64(b.unpacked))
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(index))
	foot := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	foot = append(foot, head[6:8]...)
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(foot))
	return append(append(index, foot...), "YZ"...)
}
