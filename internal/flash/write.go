package flash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"bty/internal/disk"

	"golang.org/x/sync/errgroup"
)

const (
	chunkSize = 4 << 20
	writers   = 3
	chunks    = 6 // in all: being filled, waiting, being written

	headSize = chunkSize // kept back until everything is proven
	tailSize = 1 << 20

	granule = 64 << 10 // zeros are looked for in units of this
)

// edges are the beginning and the end of the disk, kept in memory until the end.
type edges struct {
	head, tail []byte
	tailAt     int64
	hasTail    bool
	begun      bool // something of them may be on the disk
}

func newEdges(size int64) *edges {
	h := min(headSize, size)
	t := min(tailSize, size-h)
	return &edges{head: disk.Aligned(int(h)), tail: disk.Aligned(int(t)), tailAt: size - t}
}

// hold says whether all of n bytes at off fall into the edges, which on a small disk adjoin.
func (e *edges) hold(off, n int64) bool {
	head := int64(len(e.head))
	return off >= e.tailAt || off+n <= head || head >= e.tailAt
}

// keep copies what of p, which belongs at off, falls into the edges.
func (e *edges) keep(p []byte, off int64) {
	if off < int64(len(e.head)) {
		copy(e.head[off:], p)
	}
	if end := off + int64(len(p)); end > e.tailAt {
		from := max(off, e.tailAt)
		copy(e.tail[from-e.tailAt:], p[from-off:])
		e.hasTail = true
	}
}

// write wipes the disk's edges and writes all between them.
func (j *job) write(ctx context.Context) error {
	j.edges = newEdges(j.disk.Size)
	n, err := io.ReadFull(j.image, j.edges.head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return imageError(err)
	}
	ended := err != nil
	j.res.Written = int64(n)
	if n == 0 {
		return kind(ErrImage, errors.New("it holds no data"))
	}
	if err := j.lookAtTable(); err != nil {
		return err
	}
	j.touched = true
	j.meter.stage(StageWrite)
	if err := j.prepare(ctx); err != nil {
		return kind(ErrWrite, err)
	}
	if ended {
		return nil
	}
	return j.stream(ctx)
}

// prepare makes the disk unbootable, and sees how it can be zeroed.
func (j *job) prepare(ctx context.Context) error {
	if err := j.disk.Wipe(headSize, tailSize); err != nil {
		return err
	}
	const at, n = 64 << 10, 64 << 10
	if j.disk.Size < at+n {
		return nil
	}
	return j.disk.ProveZeroing(ctx, at, n)
}

// chunk is a piece of the image on its way to the disk.
type chunk struct {
	buf []byte
	off int64
	n   int // a multiple of the disk's block
}

// stream decodes on this goroutine and writes on others.
func (j *job) stream(ctx context.Context) error {
	start := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	free, full := make(chan *chunk, chunks), make(chan *chunk, chunks)
	for range chunks {
		free <- &chunk{}
	}
	var zeros atomic.Int64
	for range writers {
		g.Go(func() error {
			for c := range full {
				n, err := j.writeChunk(gctx, c)
				zeros.Add(n)
				if err != nil {
					j.cancel(err) // the decoder may be waiting for the network
					return kind(ErrWrite, err)
				}
				free <- c
			}
			return nil
		})
	}
	var waited time.Duration
	err := j.decode(gctx, free, full, &waited)
	close(full)
	werr := g.Wait()
	j.res.Zeros = zeros.Load()
	j.res.Bottleneck = j.bottleneck(time.Since(start), waited)
	if werr != nil {
		return werr // the decoder then failed only because it was stopped
	}
	return err
}

// decode fills chunks until the image ends.
func (j *job) decode(ctx context.Context, free <-chan *chunk, full chan<- *chunk, waited *time.Duration) error {
	for {
		var c *chunk
		asked := time.Now()
		select {
		case c = <-free:
		case <-ctx.Done():
			return kind(ErrCancelled, context.Cause(ctx))
		}
		*waited += time.Since(asked)
		if c.buf == nil {
			c.buf = disk.Aligned(chunkSize)
		}
		n, err := io.ReadFull(j.image, c.buf)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			return imageError(err)
		}
		c.off = j.res.Written
		j.res.Written += int64(n)
		if ferr := j.fits(j.res.Written); ferr != nil {
			return ferr
		}
		c.n = j.pad(c.buf, n)
		j.keepTail(c)
		full <- c // never blocks: as long as all chunks
		if err != nil {
			return nil
		}
	}
}

// pad fills the last block with zeros; a disk takes whole blocks only.
func (j *job) pad(buf []byte, n int) int {
	block := j.disk.Logical
	padded := (n + block - 1) / block * block
	if padded > n {
		clear(buf[n:padded])
	}
	return padded
}

// writeChunk writes what is not zero and zeroes the rest; it returns how much it zeroed.
func (j *job) writeChunk(ctx context.Context, c *chunk) (zeroed int64, err error) {
	if j.memo != nil {
		j.memo.note(c.buf[:c.n], c.off)
	}
	for at := 0; at < c.n; {
		if err := context.Cause(ctx); err != nil {
			return zeroed, err
		}
		hole, end := nextRun(c.buf[:c.n], at)
		off, n := c.off+int64(at), int64(end-at)
		if hole {
			err = j.disk.Zero(ctx, off, n)
			zeroed += n
		} else {
			_, err = j.disk.WriteAt(c.buf[at:end], off)
		}
		if err != nil {
			return zeroed, err
		}
		at = end
	}
	return zeroed, nil
}

// keepTail keeps back what belongs to the disk's end.
func (j *job) keepTail(c *chunk) {
	if end := c.off + int64(c.n); end > j.edges.tailAt {
		j.edges.keep(c.buf[:c.n], c.off)
		c.n = int(max(j.edges.tailAt-c.off, 0))
	}
}

var zeroGranule = make([]byte, granule)

// nextRun finds the run of zeros or of data that begins at p[at].
func nextRun(p []byte, at int) (hole bool, end int) {
	isZero := func(from int) (bool, int) {
		to := min(from+granule, len(p))
		return bytes.Equal(p[from:to], zeroGranule[:to-from]), to
	}
	hole, end = isZero(at)
	for end < len(p) {
		z, to := isZero(end)
		if z != hole {
			break
		}
		end = to
	}
	return hole, end
}

// bottleneck names the stage that the others waited for.
func (j *job) bottleneck(total, forChunks time.Duration) string {
	starved := time.Duration(j.pump.starved.Load())
	switch {
	case forChunks > total/2 || forChunks > starved && forChunks > total-forChunks-starved:
		return "write"
	case starved > total-forChunks-starved && j.pump.inSource.Load() >= j.pump.inFree.Load():
		return "network"
	case starved > total-forChunks-starved:
		return "digest"
	}
	return "decode"
}

// firstBlock is what makes a disk bootable: the boot sector and, behind it, the header of a GPT.
const firstBlock = 4096

// finish writes the edges, the first block last of all.
func (j *job) finish(ctx context.Context) error {
	if j.res.Written%int64(j.disk.Logical) != 0 {
		j.note("the image's length is no multiple of %d bytes; the last block was filled up with zeros", j.disk.Logical)
	}
	j.fitTable()
	if err := j.disk.Sync(); err != nil {
		return kind(ErrWrite, err)
	}
	if err := context.Cause(ctx); err != nil {
		return kind(ErrCancelled, err)
	}
	if err := j.readBack(ctx); err != nil {
		return err
	}
	if err := j.writeEdges(); err != nil {
		return kind(ErrWrite, fmt.Errorf("write the boot record: %w", err))
	}
	return j.readEdges()
}

func (j *job) writeEdges() error {
	e := j.edges
	e.begun = true
	if e.hasTail {
		if _, err := j.disk.WriteAt(e.tail, e.tailAt); err != nil {
			return err
		}
	}
	first := min(firstBlock, len(e.head))
	if len(e.head) > first {
		if _, err := j.disk.WriteAt(e.head[first:], int64(first)); err != nil {
			return err
		}
	}
	if err := j.disk.Sync(); err != nil {
		return err
	}
	if _, err := j.disk.WriteAt(e.head[:first], 0); err != nil {
		return err
	}
	return j.disk.Sync()
}
