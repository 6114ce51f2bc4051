package diskimage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"bty/internal/directio"

	"github.com/lima-vm/go-qcow2reader/image/qcow2"
	"github.com/lima-vm/go-qcow2reader/log"
)

const (
	qcow2Chunk   = 2 << 20   // one job; the size of the largest cluster
	qcow2Zeros   = 128 << 20 // of one piece at most
	qcow2Workers = 8
	qcow2Looks   = 4096 // bytes that hold the header and its extensions
)

// qcow2Reader gives the disk of a qcow2 from its beginning to its end. Chunks of it are read and
// decompressed on all cores; ranges without data are zeros that nobody reads.
type qcow2Reader struct {
	head    qcow2Head
	img     *qcow2.Qcow2
	win     *window
	workers int

	jobs   []*qcow2Job // in order; jobs[0] is the one being read
	at     int64       // where the next job begins
	closed atomic.Bool

	mu   sync.Mutex
	free [][]byte
}

// qcow2Job is a part of the disk: zeros, or one chunk that a goroutine reads.
type qcow2Job struct {
	n, pos int64
	out    []byte
	done   chan struct{} // nil: zeros
	err    error
}

var quietQCOW2 = sync.OnceFunc(func() {
	log.SetWarnFunc(nil) // it would print; what it warns of is refused before
	qcow2.SetDecompressor(qcow2.CompressionTypeZlib, inflateCluster)
	qcow2.SetDecompressor(qcow2.CompressionTypeZstd, unzstdCluster)
})

func newQCOW2(src *bufio.Reader, at io.ReaderAt, workers int) (decoder, int64, error) {
	quietQCOW2()
	first, err := src.Peek(qcow2Looks)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	head, err := parseQCOW2(first)
	if err != nil {
		return nil, 0, err
	}
	q := &qcow2Reader{head: head, win: newWindow(src, at), workers: min(workers, qcow2Workers)}
	if q.img, err = qcow2.Open(q.win, nil); err == nil {
		err = q.img.Readable()
	}
	if err != nil {
		return nil, 0, noEOF(err)
	}
	return q, head.size, nil
}

func (q *qcow2Reader) notes() []string { return q.head.notes() }

func (q *qcow2Reader) Read(p []byte) (int, error) {
	j, err := q.first()
	if err != nil {
		return 0, err
	}
	n := int(min(int64(len(p)), j.n-j.pos))
	if j.done == nil {
		clear(p[:n])
	} else {
		copy(p[:n], j.out[j.pos:])
	}
	if j.pos += int64(n); j.pos == j.n {
		q.jobs = q.jobs[1:]
		q.release(j)
	}
	return n, nil
}

// first returns the job whose turn it is, when it is done.
func (q *qcow2Reader) first() (*qcow2Job, error) {
	if err := q.fill(); err != nil {
		return nil, err
	}
	if len(q.jobs) == 0 {
		if err := q.win.drain(); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
	j := q.jobs[0]
	if j.done != nil {
		<-j.done
	}
	return j, j.err
}

func (q *qcow2Reader) give() (zeros int64, data []byte, done func(), err error) {
	j, err := q.first()
	if errors.Is(err, io.EOF) {
		return 0, nil, nil, nil
	}
	left := int64(0)
	if err == nil {
		left = (j.n - j.pos) / Grain * Grain
	}
	switch {
	case err != nil || left == 0 || j.done != nil && left < j.n:
		return 0, nil, nil, err
	case j.done == nil:
		if j.pos += left; j.pos == j.n {
			q.jobs = q.jobs[1:]
		}
		return left, nil, nil, nil
	}
	q.jobs = q.jobs[1:]
	return 0, j.out, func() { q.release(j) }, nil
}

// fill starts jobs until all workers have one and one waits for each.
func (q *qcow2Reader) fill() error {
	for len(q.jobs) < 2*q.workers && q.at < q.head.size {
		n := min(qcow2Chunk, q.head.size-q.at)
		e, err := q.img.Extent(q.at, n)
		if err != nil {
			return noEOF(err)
		}
		if e.Zero && e.Length >= n {
			q.zeros(n)
		} else {
			q.start(n)
		}
		q.at += n
	}
	return nil
}

// zeros adds to the job before, if it is of zeros, too.
func (q *qcow2Reader) zeros(n int64) {
	if last := len(q.jobs) - 1; last >= 0 && q.jobs[last].done == nil && q.jobs[last].n+n <= qcow2Zeros {
		q.jobs[last].n += n
		return
	}
	q.jobs = append(q.jobs, &qcow2Job{n: n})
}

func (q *qcow2Reader) start(n int64) {
	j := &qcow2Job{n: n, out: q.buffer()[:n], done: make(chan struct{})}
	q.jobs = append(q.jobs, j)
	at := q.at
	go func() {
		defer close(j.done)
		defer recovered(&j.err)
		if q.closed.Load() {
			j.err = errors.New("closed")
			return
		}
		got, err := q.img.ReadAt(j.out, at)
		if int64(got) < j.n {
			j.err = fmt.Errorf("the part for byte %d of the disk: %w", at+int64(got), noEOF(err))
		}
	}()
}

func (q *qcow2Reader) buffer() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if b := pop(&q.free); b != nil {
		return b[:qcow2Chunk]
	}
	return directio.Buffer(qcow2Chunk)
}

func (q *qcow2Reader) release(j *qcow2Job) {
	if j.out == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free = append(q.free, j.out)
}

// Close waits for the chunks being read; the source ends the wait of those that wait for it.
func (q *qcow2Reader) Close() error {
	q.closed.Store(true)
	for _, j := range q.jobs {
		if j.done != nil {
			<-j.done
		}
	}
	return nil
}
