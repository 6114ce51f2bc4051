package diskimage

import (
	"bufio"
	"errors"
	"io"
	"runtime"

	"bty/internal/catalog"

	"github.com/klauspost/compress/gzip"
)

// codec is one row of the table of formats. open returns the decoder and what AtLeast tells.
type codec struct {
	format catalog.Format
	open   func(src *bufio.Reader, o Options) (decoder, int64, error)
}

func codecs() []codec {
	return []codec{
		{catalog.Raw, openRaw},
		{catalog.Gzip, openGzip},
		{catalog.Zstd, openZstd},
		{catalog.XZ, openXZ},
		{catalog.Bzip2, openBzip2},
		{catalog.QCOW2, openQCOW2},
	}
}

func openRaw(src *bufio.Reader, o Options) (decoder, int64, error) {
	return &raw{src, o.Lend}, max(o.Size, 0), nil
}

func openGzip(src *bufio.Reader, _ Options) (decoder, int64, error) {
	z, err := gzip.NewReader(src)
	return z, 0, err
}

// maxDict bounds the memory that an image may ask for; xz -9 uses 64 MiB, zstd --long=27 128.
const maxDict = 128 << 20

func openXZ(src *bufio.Reader, _ Options) (decoder, int64, error) {
	return newXZ(src, runtime.GOMAXPROCS(0))
}

func openBzip2(src *bufio.Reader, _ Options) (decoder, int64, error) {
	return newBzip2(src, runtime.GOMAXPROCS(0))
}

func openZstd(src *bufio.Reader, _ Options) (decoder, int64, error) {
	return newZstd(src, runtime.GOMAXPROCS(0))
}

func openQCOW2(src *bufio.Reader, o Options) (decoder, int64, error) {
	return newQCOW2(src, o.At, runtime.GOMAXPROCS(0))
}

// raw passes on what the source gives, where it can without copying it.
type raw struct {
	*bufio.Reader
	lend func() (data []byte, done func(), err error) // may be nil
}

func (r *raw) give() (zeros int64, data []byte, done func(), err error) {
	if r.lend == nil || r.Buffered() > 0 {
		return 0, nil, nil, nil
	}
	data, done, err = r.lend()
	if errors.Is(err, io.EOF) {
		err = nil // Read says so
	}
	return 0, data, done, err
}

func (*raw) Close() error { return nil }
