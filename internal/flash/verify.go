package flash

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"bty/internal/directio"
	"bty/internal/diskimage"

	"golang.org/x/sync/errgroup"
)

// cellSize is how exactly damage between the edges is told: a sum is kept for each cell, 8 bytes
// for a MiB of the image.
const cellSize = 1 << 20

// grain is what is summed at a time; loads begin at multiples of it.
const grain = diskimage.Grain

// readers is how many reads are in flight while the disk is read back.
const readers = 3

// memo remembers what was handed to the disk between its edges. The sums never leave the process
// and are compared with nobody else's: a keyed 64-bit hash, which costs next to nothing, tells a
// lost write and a flipped bit as well as a long one.
type memo struct {
	seed maphash.Seed
	zero uint64 // of a whole grain

	mu    sync.Mutex
	cells []uint64 // of the disk from headSize on
	end   int64    // of what was noted
}

func newMemo() *memo {
	seed := maphash.MakeSeed()
	return &memo{seed: seed, zero: maphash.Bytes(seed, make([]byte, grain))}
}

// note takes down a load, which is about to be written.
func (m *memo) note(l load) {
	length := int64(len(l.data)) + l.zeros
	for at := int64(0); at < length; at += grain {
		n := min(grain, length-at)
		sum := m.zero
		switch {
		case l.zeros == 0:
			sum = maphash.Bytes(m.seed, l.data[at:at+n])
		case n < grain:
			sum = maphash.Bytes(m.seed, make([]byte, n))
		}
		m.add(l.off+at, n, sum)
	}
}

func (m *memo) add(off, n int64, sum uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := cellAt(off)
	for len(m.cells) <= i {
		m.cells = append(m.cells, 0)
	}
	m.cells[i] += placed(sum, off)
	m.end = max(m.end, off+n)
}

func cellAt(off int64) int { return int((off - headSize) / cellSize) }

// placed lets the sum of a grain depend on where the grain is: those of a cell are added up, in
// whatever order they are written.
func placed(sum uint64, off int64) uint64 { return sum * uint64(2*(off/grain)+1) }

// same compares what was read at off, the beginning of a cell, with what was written there.
func (m *memo) same(p []byte, off int64) error {
	for at := 0; at < len(p); at += cellSize {
		end := min(at+cellSize, len(p))
		from, sum := off+int64(at), uint64(0)
		for g := at; g < end; g += grain {
			sum += placed(maphash.Bytes(m.seed, p[g:min(g+grain, end)]), off+int64(g))
		}
		if sum != m.cells[cellAt(from)] {
			return fmt.Errorf("what is between the bytes %d and %d is not what was written there", from, off+int64(end))
		}
	}
	return nil
}

// readBack compares the disk between its edges with what was written, past every cache of the
// kernel.
func (j *job) readBack(ctx context.Context) error {
	if j.memo == nil {
		return nil
	}
	j.meter.restart(StageVerify, max(j.memo.end-headSize, 0))
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	next.Store(headSize)
	for range readers {
		g.Go(j.guarded(ErrVerify, "a reader", func() error {
			buf := directio.Buffer(chunkSize)
			for {
				off := next.Add(chunkSize) - chunkSize
				if off >= j.memo.end {
					return nil
				}
				if err := j.compare(ctx, buf[:min(chunkSize, j.memo.end-off)], off); err != nil {
					return err
				}
			}
		}))
	}
	return g.Wait()
}

func (j *job) compare(ctx context.Context, buf []byte, off int64) error {
	if err := context.Cause(ctx); err != nil {
		return kind(ErrCancelled, err)
	}
	if _, err := j.disk.ReadAt(buf, off); err != nil {
		return kind(ErrVerify, err)
	}
	if err := j.memo.same(buf, off); err != nil {
		return j.differs(err)
	}
	j.meter.add(len(buf))
	return nil
}

// readEdges compares the disk's beginning and end, which are written last.
func (j *job) readEdges() error {
	if j.memo == nil {
		return nil
	}
	for _, e := range []struct {
		want []byte
		off  int64
	}{{j.edges.head, 0}, {j.edges.tail, j.edges.tailAt}} {
		got := directio.Buffer(len(e.want))
		if _, err := j.disk.ReadAt(got, e.off); err != nil {
			return kind(ErrVerify, err)
		}
		if !bytes.Equal(got, e.want) {
			return j.differs(fmt.Errorf("byte %d is not what was written there", e.off+int64(firstDifference(got, e.want))))
		}
	}
	j.res.ReadBack = true
	return nil
}

func (j *job) differs(err error) error {
	return kind(ErrVerify, fmt.Errorf("%s took every write and does not hold them: %w; it, its cable or its controller is failing", j.disk.Path, err))
}

func firstDifference(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return len(a)
}
