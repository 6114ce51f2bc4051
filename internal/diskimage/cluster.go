package diskimage

import (
	"bufio"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// A compressed cluster of a qcow2 comes with bytes behind it that belong to others. These readers
// give all of it in one Read, because the library begins a cluster again for each further one.

// inflateCluster is for clusters of raw deflate.
func inflateCluster(r io.Reader) (io.ReadCloser, error) {
	c, ok := inflaters.Get().(*inflater)
	if !ok {
		c = &inflater{buf: bufio.NewReaderSize(nil, 16<<10)}
		c.z = flate.NewReader(c.buf)
	}
	c.buf.Reset(r)
	return c, c.z.(flate.Resetter).Reset(c.buf, nil)
}

var inflaters sync.Pool

type inflater struct {
	buf *bufio.Reader
	z   io.ReadCloser
}

func (c *inflater) Read(p []byte) (int, error) { return readWhole(c.z, p) }

func (c *inflater) Close() error {
	c.buf.Reset(nil)
	inflaters.Put(c)
	return nil
}

func readWhole(r io.Reader, p []byte) (int, error) {
	n, err := io.ReadFull(r, p)
	return n, noEOF(err)
}

// unzstdCluster is for clusters of one zstd frame each.
func unzstdCluster(r io.Reader) (io.ReadCloser, error) {
	c, ok := unzstds.Get().(*unzstd)
	if !ok {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(maxDict))
		if err != nil {
			return nil, err
		}
		c = &unzstd{buf: bufio.NewReaderSize(nil, 16<<10), z: z}
	}
	c.buf.Reset(r)
	return c, nil
}

var unzstds sync.Pool

type unzstd struct {
	buf     *bufio.Reader
	z       *zstd.Decoder
	in, out []byte
}

func (c *unzstd) Read(p []byte) (int, error) {
	f, err := nextZstdFrame(c.buf)
	if err != nil {
		return 0, noEOF(err)
	}
	var whole bool
	if c.in, whole, err = f.take(c.in[:0], 2*qcow2Chunk); err != nil || !whole {
		return 0, errors.Join(errors.New("a zstd cluster that does not end"), err)
	}
	if need := int(min(f.decodedSize(), qcow2Chunk)); cap(c.out) < need {
		c.out = make([]byte, 0, need)
	}
	if c.out, err = c.z.DecodeAll(c.in, c.out[:0]); err != nil {
		return 0, err
	}
	if n := copy(p, c.out); n < len(p) {
		return n, io.ErrUnexpectedEOF
	}
	return len(p), nil
}

func (c *unzstd) Close() error {
	c.buf.Reset(nil)
	unzstds.Put(c)
	return nil
}
