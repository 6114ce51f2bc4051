// Package diskimage turns the published bytes of a disk image into the bytes of a disk. A table
// holds the formats; what the content says of itself decides, and a name or a catalog entry
// that says otherwise is refused. A truncated or corrupt image and bytes after its end are
// always errors.
package diskimage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"

	"bty/internal/catalog"
)

// Kinds of failure, for errors.Is. An error of the source is passed on as it is.
var (
	ErrFormat  = errors.New("the image's format cannot be used")
	ErrCorrupt = errors.New("the image is damaged")
)

// Options of Open.
type Options struct {
	Name string         // file name, whose suffix may name the format
	Hint catalog.Format // what the catalog or the operator says; used beside Name
	Size int64          // length of the source, 0 or less = not known
	At   io.ReaderAt    // the same bytes at any place, nil = only from the beginning to the end; for qcow2

	// Lend gives the next bytes of the source as they are in its memory, page-aligned and in multiples of Grain,
	// and takes them as read; or nothing, and Read goes on. They belong to who gets them until done is called.
	// nil = only Read; for raw images, which then are not copied.
	Lend func() (data []byte, done func(), err error)
}

// Reader gives the bytes of the disk.
type Reader struct {
	src     *source
	dec     decoder
	format  catalog.Format
	atLeast int64

	head   []byte // the first bytes of the disk, as long as nobody has read them
	off    int64  // bytes of the disk given so far
	given  Piece  // found by Next while it filled a buffer
	failed error  // of Next, io.EOF too
}

// decoder is what a codec makes of a source.
type decoder interface {
	io.Reader
	Close() error
}

// bufferSize is what the readers of headers look ahead. What is longer they read past the buffer, copied once
// and not twice: so it is small.
const bufferSize = 32 << 10

// Open looks at the first bytes of src and prepares its decoder. The Reader does not close src;
// an error of src ends every wait of the Reader.
func Open(src io.Reader, o Options) (*Reader, error) {
	s := &source{r: src}
	if o.At != nil {
		o.At = &sourceAt{o.At, s}
	}
	if lend := o.Lend; lend != nil {
		o.Lend = func() ([]byte, func(), error) {
			data, done, err := lend()
			s.remember(err)
			return data, done, err
		}
	}
	buf := bufio.NewReaderSize(s, bufferSize)
	head, err := buf.Peek(sniffLen)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(head) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrCorrupt)
	}
	format, err := Detect(o.Name, o.Hint, head)
	if err != nil {
		return nil, err
	}
	r := &Reader{src: s, format: format}
	for _, c := range codecs() {
		if c.format == format {
			r.dec, r.atLeast, err = c.open(buf, o)
		}
	}
	if err != nil {
		return nil, r.explain(err)
	}
	if format == catalog.Raw {
		return r, nil
	}
	if err := r.look(); err != nil {
		r.dec.Close()
		return nil, r.explain(err)
	}
	return r, nil
}

// look refuses what is packed twice, or an archive that is called an image: written to a disk it
// would be noise.
func (r *Reader) look() error {
	head, n := make([]byte, sniffLen), 0
	for n < len(head) {
		got, err := r.dec.Read(head[n:])
		n += got
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	r.head = head[:n]
	if m, found := sniff(r.head); found {
		return fmt.Errorf("%w: it is %s, and what is in it is %s, not a disk", ErrFormat, r.format, m.what)
	}
	return nil
}

// Format is the format that the content has.
func (r *Reader) Format() catalog.Format { return r.format }

// AtLeast is the number of bytes that the disk must have room for as far as the image's first
// bytes tell; the whole image may be longer.
func (r *Reader) AtLeast() int64 { return r.atLeast }

// Length is the number of bytes that the whole image has, 0 = only its end tells.
func (r *Reader) Length() int64 {
	if r.format == catalog.Raw || r.format == catalog.QCOW2 {
		return r.atLeast
	}
	return 0
}

// Notes are remarks for people on what the image holds and the disk does not get.
func (r *Reader) Notes() []string {
	if n, ok := r.dec.(interface{ notes() []string }); ok {
		return n.notes()
	}
	return nil
}

// Read gives bytes of the disk; io.EOF only after a complete and sound image.
func (r *Reader) Read(p []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(p, r.head)
		r.head, r.off = r.head[n:], r.off+int64(n)
		return n, nil
	}
	n, err := r.dec.Read(p)
	r.off += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.explain(err)
	}
	return n, err
}

// Close ends the decoder's goroutines.
func (r *Reader) Close() error { return r.dec.Close() }

// explain tells damage of the image from failure of its source.
func (r *Reader) explain(err error) error {
	switch failed := r.src.failure(); {
	case failed != nil:
		return failed
	case errors.Is(err, ErrFormat), errors.Is(err, ErrCorrupt):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it is truncated, %s data ended in the middle", ErrCorrupt, r.format)
	}
	return fmt.Errorf("%w: %s data: %w", ErrCorrupt, r.format, err)
}

// source remembers its own failure, which a decoder may hide behind one of its own.
type source struct {
	r io.Reader

	mu  sync.Mutex
	err error // the first
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.remember(err)
	return n, err
}

func (s *source) remember(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
}

func (s *source) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// sourceAt is the same source at any place.
type sourceAt struct {
	at io.ReaderAt
	s  *source
}

func (a *sourceAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := a.at.ReadAt(p, off)
	a.s.remember(err)
	return n, err
}
