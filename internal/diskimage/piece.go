package diskimage

import (
	"errors"
	"io"
)

// Grain is the unit of pieces: each begins at a multiple of it, and all but the last end at one.
const Grain = 64 << 10

// Piece is the next part of the disk. Pieces come in order and without gaps.
type Piece struct {
	Off   int64
	Data  []byte // page-aligned, unless it is the caller's own buffer
	Zeros int64  // instead of Data: so many zero bytes, which nobody decoded or looked at
	done  func()
}

// Len is how many bytes of the disk the piece is.
func (p Piece) Len() int64 { return int64(len(p.Data)) + p.Zeros }

// Release gives Data's memory back to the decoder, which may be waiting for nothing else but
// uses the more memory the longer it is kept. Any goroutine may call it, before or after Close.
func (p Piece) Release() {
	if p.done != nil {
		p.done()
	}
}

// giver is a decoder that sometimes has more to give than the bytes that Read copies.
type giver interface {
	// give returns zeros or data in multiples of Grain, and takes them as read; or nothing,
	// and Read goes on. data belongs to the caller until done is called.
	give() (zeros int64, data []byte, done func(), err error)
}

// Next gives the next piece, io.EOF only after a complete and sound image. What has to be read
// byte by byte is put into buf, whose length is a multiple of Grain; a large zero range, or a part
// that the decoder has in memory already, comes as it is, and buf was not used (Data is not in it).
// Read may be called before the first Next, for a multiple of Grain, and not after it.
func (r *Reader) Next(buf []byte) (Piece, error) {
	p := r.given
	r.given = Piece{}
	if p.Len() == 0 {
		p = r.give()
	}
	if p.Len() == 0 && r.failed == nil {
		p = r.fill(buf)
	}
	if p.Len() == 0 {
		return Piece{}, r.failed
	}
	return p, nil
}

// fill reads into buf until it is full or the decoder has something to give.
func (r *Reader) fill(buf []byte) Piece {
	p := Piece{Off: r.off}
	n := 0
	for n < len(buf) && r.failed == nil {
		if n > 0 && n%Grain == 0 {
			if r.given = r.give(); r.given.Len() > 0 {
				break
			}
		}
		got, err := r.Read(buf[n:])
		n += got
		r.failed = err
	}
	if r.failed == nil || errors.Is(r.failed, io.EOF) {
		p.Data = buf[:n]
	}
	return p
}

func (r *Reader) give() Piece {
	g, ok := r.dec.(giver)
	if !ok || r.failed != nil || len(r.head) > 0 {
		return Piece{}
	}
	p := Piece{Off: r.off}
	var err error
	if p.Zeros, p.Data, p.done, err = g.give(); err != nil {
		r.failed = r.explain(err)
		return Piece{}
	}
	r.off += p.Len()
	return p
}
