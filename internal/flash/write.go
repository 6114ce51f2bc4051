package flash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"bty/internal/directio"
)

const (
	headSize = chunkSize // kept back until everything is proven
	tailSize = 1 << 20
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
	return &edges{head: directio.Buffer(int(h)), tail: directio.Buffer(int(t)), tailAt: size - t}
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
	j.ended = err != nil
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
	if j.ended && len(j.held) == 0 {
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

// firstBlock is what makes a disk bootable: the boot sector and, behind it, the header of a GPT.
const firstBlock = 4096

// finish writes the edges, the first block last of all.
func (j *job) finish(ctx context.Context) error {
	if j.res.Written%int64(j.disk.Logical) != 0 {
		j.note("the image's length is no multiple of %d bytes; the last block was filled up with zeros", j.disk.Logical)
	}
	j.fitTable()
	stop := j.clock.disk.begin()
	err := j.disk.Sync()
	stop()
	if err != nil {
		return kind(ErrWrite, err)
	}
	j.res.Efforts = j.clock.sum(time.Duration(j.pump.starved.Load()), j.disk.Worked())
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
	first := min(max(firstBlock, j.disk.Logical), len(e.head))
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
