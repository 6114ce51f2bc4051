package diskimage

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Sizes of RFC 8878.
const (
	zstdMaxHeader = 18        // magic and frame header, section 3.1.1
	zstdMaxBlock  = 128 << 10 // decoded bytes of a block, section 3.1.1.2
)

// zstdFrame walks over one frame, block by block, without decoding: a block's header says how
// long it is (RFC 8878 section 3.1.1.2), so that the frame's end is known and not guessed.
// As an io.Reader it gives exactly the frame's bytes.
type zstdFrame struct {
	src    *bufio.Reader
	header zstd.Header
	left   int  // bytes of the current piece not yet given
	last   bool // the current piece is the last block, or the checksum behind it
	sum    bool // the checksum is still to come
	bound  int64
}

// nextZstdFrame passes over skippable frames; io.EOF means that the stream ends here.
func nextZstdFrame(src *bufio.Reader) (*zstdFrame, error) {
	for {
		head, err := src.Peek(zstdMaxHeader)
		if len(head) == 0 {
			return nil, err
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		f := &zstdFrame{src: src}
		if err := f.header.Decode(head); err != nil {
			if errors.Is(err, zstd.ErrMagicMismatch) {
				return nil, errors.New("bytes that are no zstd frame follow the image")
			}
			return nil, err
		}
		if f.header.Skippable {
			if _, err := io.CopyN(io.Discard, src, int64(f.header.HeaderSize)+int64(f.header.SkippableSize)); err != nil {
				return nil, noEOF(err)
			}
			continue
		}
		return f, f.begin()
	}
}

func (f *zstdFrame) begin() error {
	h := &f.header
	if h.DictionaryID != 0 {
		return fmt.Errorf("%w: it was compressed with a zstd dictionary", ErrFormat)
	}
	window := h.WindowSize
	if h.SingleSegment {
		window = h.FrameContentSize // section 3.1.1.1.1.2
	}
	if window > maxDict {
		return fmt.Errorf("%w: it needs a zstd window of %d MiB, the limit is %d; compress it with --long=27 at most",
			ErrFormat, window>>20, maxDict>>20)
	}
	f.left = h.HeaderSize
	f.sum = h.HasCheckSum
	return nil
}

// step goes on to the next piece when the current one is used up.
func (f *zstdFrame) step() error {
	if f.last {
		if !f.sum {
			return io.EOF
		}
		f.sum, f.left = false, 4
		return nil
	}
	head, err := f.src.Peek(3)
	if err != nil {
		return noEOF(err)
	}
	b := binary.LittleEndian.Uint32([]byte{head[0], head[1], head[2], 0})
	size := int(b >> 3)
	f.last = b&1 != 0
	switch kind := b >> 1 & 3; kind {
	case 0: // raw
		f.bound += int64(size)
		f.left = 3 + size
	case 1: // RLE: one byte stands for size of them
		f.bound += int64(size)
		f.left = 3 + 1
	case 2: // compressed
		f.bound += zstdMaxBlock
		f.left = 3 + size
	default:
		return errors.New("reserved zstd block type")
	}
	if size > zstdMaxBlock {
		return errors.New("zstd block too large")
	}
	return nil
}

func (f *zstdFrame) Read(p []byte) (int, error) {
	for f.left == 0 {
		if err := f.step(); err != nil {
			return 0, err
		}
	}
	n, err := f.src.Read(p[:min(len(p), f.left)])
	f.left -= n
	if n == 0 && err != nil {
		return 0, noEOF(err)
	}
	return n, nil
}

// take appends the frame to buf as long as neither it nor what it decodes to is over limit;
// whole is false when the rest of the frame is still to be read.
func (f *zstdFrame) take(buf []byte, limit int) (_ []byte, whole bool, err error) {
	for {
		if f.left == 0 {
			err := f.step()
			if errors.Is(err, io.EOF) {
				return buf, true, nil
			}
			if err != nil {
				return buf, false, err
			}
		}
		if len(buf)+f.left > limit || f.bound > int64(limit) {
			return buf, false, nil
		}
		at := len(buf)
		buf = slices.Grow(buf, f.left)[:at+f.left]
		if _, err := io.ReadFull(f.src, buf[at:]); err != nil {
			return buf, false, noEOF(err)
		}
		f.left = 0
	}
}

// decodedSize is the frame's content size where it is told, else the most it can be: the bound
// of the blocks seen so far.
func (f *zstdFrame) decodedSize() int64 {
	if f.header.HasFCS {
		return int64(min(f.header.FrameContentSize, 1<<62))
	}
	return f.bound
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
