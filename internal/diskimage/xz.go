package diskimage

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/maphash"
	"io"

	"github.com/therootcompany/xz"
)

const (
	// A block up to this size is decoded beside others; `xz -T0` makes blocks of 24 MiB.
	xzWhole = 32 << 20
	// What all such blocks take together, but for the last one.
	xzAhead = 96 << 20
	// What the dictionaries of decoders that wait to be used again take together, but for one decoder's.
	xzIdle = 32 << 20
)

const xzMagic = "\xfd7zXZ\x00"

// xzSplitter takes an xz file apart into its blocks, and makes of each a file of one block, for a
// decoder that proves it. What holds the blocks together, it proves itself: headers, index, footer,
// padding (https://tukaani.org/xz/xz-file-format.txt).
type xzSplitter struct {
	src     *bufio.Reader
	head    [12]byte // of the stream
	within  bool     // a stream
	streams int
	made    xzRecords // of the blocks that were seen
	free    []*xzDecoder
	idle    int64 // the dictionaries of free
	bufs    [][]byte
}

// xzDecoder is one that can be used again: its dictionary is large.
type xzDecoder struct {
	*xz.Reader
	dict int64 // the largest that it has had, which it keeps
}

func newXZ(src *bufio.Reader, workers int) (decoder, int64, error) {
	x := &xzSplitter{src: src}
	if err := x.beginStream(); err != nil {
		return nil, 0, noEOF(err)
	}
	return newOrdered(x.next, workers, xzWhole/orderedBuf, xzAhead), 0, nil
}

func (x *xzSplitter) next() (part, error) {
	for {
		if !x.within {
			if err := x.beginStream(); err != nil {
				return part{}, err
			}
		}
		b, err := x.src.Peek(1)
		if err != nil {
			return part{}, noEOF(err)
		}
		if b[0] != 0 {
			return x.block()
		}
		if err := x.endStream(); err != nil {
			return part{}, noEOF(err)
		}
	}
}

// beginStream passes over the padding behind a stream, and reads the header of the next one.
func (x *xzSplitter) beginStream() error {
	if x.streams > 0 {
		if err := x.padding(); err != nil {
			return err
		}
	}
	n, err := io.ReadFull(x.src, x.head[:])
	switch h := x.head[:]; {
	case n >= len(xzMagic) && string(h[:len(xzMagic)]) != xzMagic, n < len(xzMagic) && string(h[:n]) != xzMagic[:n]:
		return errors.New("bytes that are no xz stream follow the image")
	case err != nil:
		return noEOF(err)
	case crc32.ChecksumIEEE(h[6:8]) != binary.LittleEndian.Uint32(h[8:]), h[6] != 0, h[7] > 15:
		return errors.New("the header of an xz stream")
	}
	x.within, x.made = true, newXZRecords(x.made.seed)
	x.streams++
	return nil
}

// padding is zeros, four at a time.
func (x *xzSplitter) padding() error {
	for n := 0; ; n++ {
		b, err := x.src.ReadByte()
		switch {
		case err == nil && b == 0:
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return err
		case n%4 != 0:
			return errors.New("the padding behind an xz stream")
		case err != nil:
			return io.EOF
		}
		return x.src.UnreadByte()
	}
}

func (x *xzSplitter) block() (part, error) {
	b, err := beginXZBlock(x.src, x.head[7])
	if err != nil {
		return part{}, noEOF(err)
	}
	dec := x.decoder(b.dict)
	p := part{inline: true, close: func() { x.keep(dec) }}
	if b.size > xzWhole {
		p.open = func() (io.Reader, error) { return dec.over(x.alone(nil, b)) }
		return p, nil
	}
	in, whole, err := b.take(pop(&x.bufs), xzWhole)
	if err != nil {
		return part{}, noEOF(err)
	}
	if !whole {
		p.open = func() (io.Reader, error) { return dec.over(x.alone(in, b)) }
		return p, nil
	}
	x.made.add(b)
	file := io.MultiReader(bytes.NewReader(bytes.Clone(x.head[:])), bytes.NewReader(in), bytes.NewReader(xzTail(x.head, b)))
	p.inline = false
	p.weight = int64(cap(in)) + b.unpacked + dec.dict
	p.open = func() (io.Reader, error) { return dec.over(file) }
	p.close = func() {
		x.keep(dec)
		x.bufs = append(x.bufs, in[:0])
	}
	return p, nil
}

// alone is a file of the block b, which is too large to be held; prefix of it was read already.
func (x *xzSplitter) alone(prefix []byte, b *xzBlock) io.Reader {
	tail := &lazy{func() io.Reader {
		x.made.add(b)
		return bytes.NewReader(xzTail(x.head, b))
	}, nil}
	return io.MultiReader(bytes.NewReader(x.head[:]), bytes.NewReader(prefix), b, tail)
}

// lazy is a reader that is made when it is needed.
type lazy struct {
	make func() io.Reader
	r    io.Reader
}

func (l *lazy) Read(p []byte) (int, error) {
	if l.r == nil {
		l.r = l.make()
	}
	return l.r.Read(p)
}

// decoder returns one for a dictionary of that size.
func (x *xzSplitter) decoder(dict int64) *xzDecoder {
	d := &xzDecoder{}
	if n := len(x.free); n > 0 {
		d = x.free[n-1]
		x.free = x.free[:n-1]
		x.idle -= d.dict
	}
	d.dict = max(d.dict, dict)
	return d
}

// keep takes a decoder back that is not used any more; a large one among others is given up.
func (x *xzSplitter) keep(d *xzDecoder) {
	if len(x.free) > 0 && x.idle+d.dict > xzIdle {
		return
	}
	x.free = append(x.free, d)
	x.idle += d.dict
}

func (d *xzDecoder) over(file io.Reader) (_ io.Reader, err error) {
	if d.Reader == nil {
		d.Reader, err = xz.NewReader(file, maxDict)
		return d.Reader, err
	}
	return d.Reader, d.Reset(file)
}

// xzRecords are the sizes of blocks, as an index lists them: how many, and a hash of all.
type xzRecords struct {
	n    uint64
	seed maphash.Seed
	sum  maphash.Hash
}

func newXZRecords(seed maphash.Seed) (r xzRecords) {
	if seed == (maphash.Seed{}) {
		seed = maphash.MakeSeed()
	}
	r.seed = seed
	r.sum.SetSeed(seed)
	return r
}

func (r *xzRecords) add(b *xzBlock) { r.record(uint64(b.unpadded()), uint64(b.unpacked)) }

func (r *xzRecords) record(unpadded, unpacked uint64) {
	r.n++
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], unpadded)
	binary.LittleEndian.PutUint64(b[8:], unpacked)
	r.sum.Write(b[:])
}

// endStream reads the index and the footer.
func (x *xzSplitter) endStream() error {
	x.within = false
	r := &summed{src: x.src}
	r.ReadByte() // the mark of an index, which was seen
	n, err := r.varint()
	listed := newXZRecords(x.made.seed)
	for i := uint64(0); i < n && err == nil; i++ {
		var unpadded, unpacked uint64
		unpadded, err = r.varint()
		if err == nil {
			unpacked, err = r.varint()
		}
		listed.record(unpadded, unpacked)
	}
	for err == nil && r.n%4 != 0 {
		var b byte
		if b, err = r.ReadByte(); err == nil && b != 0 {
			err = errXZIndex
		}
	}
	if err != nil {
		return err
	}
	var end [4 + 12]byte
	if _, err := io.ReadFull(x.src, end[:]); err != nil {
		return err
	}
	foot := end[4:]
	le := binary.LittleEndian.Uint32
	switch {
	case listed.n != x.made.n, listed.sum.Sum64() != x.made.sum.Sum64(), le(end[:]) != r.crc:
		return errXZIndex
	case le(foot) != crc32.ChecksumIEEE(foot[4:10]), int64(le(foot[4:]))*4 != r.n,
		!bytes.Equal(foot[8:10], x.head[6:8]), string(foot[10:]) != "YZ":
		return errors.New("the footer of an xz stream")
	}
	return nil
}

var errXZIndex = fmt.Errorf("the index of an xz stream is not that of its blocks")

// summed reads bytes with their CRC.
type summed struct {
	src *bufio.Reader
	crc uint32
	n   int64
}

func (s *summed) ReadByte() (byte, error) {
	b, err := s.src.ReadByte()
	if err == nil {
		s.crc = crc32.Update(s.crc, crc32.IEEETable, []byte{b})
		s.n++
	}
	return b, err
}

func (s *summed) varint() (uint64, error) {
	v, err := binary.ReadUvarint(s)
	if err == nil && v > 1<<62 {
		err = errXZIndex
	}
	return v, err
}
