package diskimage

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"bty/internal/directio"
)

const orderedBuf = 1 << 20

// part is a piece of an image that can be decoded without what comes before it.
type part struct {
	open   func() (io.Reader, error) // its decoder, io.EOF at a sound end only
	close  func()                    // nothing of it is needed any more
	weight int64                     // memory that it takes
	inline bool                      // it is in the source still, and has to be read before what follows

	// Where a part's end was guessed: what join makes of it and the next one, when it failed.
	join func(behind part) (part, bool)
	unit any
}

// ordered decodes parts on all cores and gives them in order. It looks ahead only inside Read,
// and its goroutines each decode one part that is in memory already.
type ordered struct {
	next    func() (part, error) // io.EOF after the last
	workers int
	depth   int   // buffers that may wait of one part
	limit   int64 // of the weight of all parts

	jobs []*orderedJob // in order; jobs[0] is the one being read
	held int64
	end  error // why there is no next
	quit chan struct{}

	mu   sync.Mutex
	free [][]byte
}

type orderedJob struct {
	part
	out chan []byte // closed at the end; nil: inline
	err error       // when out is closed; io.EOF at a sound end
	r   io.Reader   // of an inline part

	buf   []byte // the current one
	pos   int
	given bool // there was one
}

func newOrdered(next func() (part, error), workers, depth int, limit int64) *ordered {
	return &ordered{next: next, workers: workers, depth: depth, limit: limit, quit: make(chan struct{})}
}

func (o *ordered) Read(p []byte) (int, error) {
	for {
		j, err := o.first()
		if err != nil {
			return 0, err
		}
		n, err := o.read(j, p)
		if errors.Is(err, io.EOF) {
			o.retire(j)
			err = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// first returns the part whose turn it is.
func (o *ordered) first() (*orderedJob, error) {
	for len(o.jobs) < 2*o.workers && o.room() && o.end == nil {
		p, err := o.next()
		if err != nil {
			o.end = err
			break
		}
		o.start(p)
	}
	if len(o.jobs) == 0 {
		return nil, o.end
	}
	return o.jobs[0], nil
}

func (o *ordered) room() bool {
	n := len(o.jobs)
	return n == 0 || o.held < o.limit && !o.jobs[n-1].inline
}

func (o *ordered) start(p part) {
	j := &orderedJob{part: p}
	o.jobs = append(o.jobs, j)
	o.held += p.weight
	if !p.inline {
		j.out = make(chan []byte, o.depth)
		go o.work(j)
	}
}

func (o *ordered) work(j *orderedJob) {
	defer close(j.out)
	defer recovered(&j.err)
	r, err := j.open()
	for err == nil {
		var n int
		buf := o.buffer()
		n, err = io.ReadFull(r, buf)
		if errors.Is(err, io.ErrUnexpectedEOF) && n > 0 {
			// Of ReadFull, or of a decoder whose input ended: it says so once more.
			_, err = r.Read(buf[n:])
		}
		if n == 0 {
			o.recycle(buf)
			break
		}
		select {
		case j.out <- buf[:n]:
		case <-o.quit:
			return
		}
	}
	j.err = err
}

// recovered makes a defect of a decoder an error: what nobody's call stands behind would end the program,
// which may have the terminal, or be init.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the decoder fails, which is a defect in it: %v", p)
	}
}

func (o *ordered) read(j *orderedJob, p []byte) (n int, err error) {
	if j.inline {
		if j.r == nil {
			if j.r, err = j.open(); err != nil {
				return 0, err
			}
		}
		return j.r.Read(p)
	}
	if !o.load(j) {
		if o.joined(j) {
			return 0, nil
		}
		return 0, j.err
	}
	n = copy(p, j.buf[j.pos:])
	if j.pos += n; j.pos == len(j.buf) {
		o.recycle(j.buf)
		j.buf = nil
	}
	return n, nil
}

// load waits for the next buffer of a part; false at its end.
func (o *ordered) load(j *orderedJob) (ok bool) {
	if j.buf == nil {
		j.buf, j.pos = <-j.out, 0
		j.given = j.given || j.buf != nil
	}
	return j.buf != nil
}

// joined puts one part in the place of j, which failed before it gave anything, and the next one.
func (o *ordered) joined(j *orderedJob) bool {
	if errors.Is(j.err, io.EOF) || j.given || j.join == nil || len(o.jobs) < 2 {
		return false
	}
	p, ok := j.join(o.jobs[1].part)
	if !ok {
		return false
	}
	o.drop(o.jobs[1])
	behind := o.jobs[2:]
	o.jobs = nil
	o.held -= j.weight
	o.start(p)
	o.jobs = append(o.jobs, behind...)
	return true
}

// give hands out a buffer of which nothing was read.
func (o *ordered) give() (zeros int64, data []byte, done func(), err error) {
	j, err := o.first()
	if err != nil || j.inline || !o.load(j) || j.pos > 0 || len(j.buf)%Grain != 0 {
		return 0, nil, nil, nil // Read has more to say
	}
	data = j.buf
	j.buf = nil
	return 0, data, func() { o.recycle(data) }, nil
}

func (o *ordered) retire(j *orderedJob) {
	o.jobs = o.jobs[1:]
	o.held -= j.weight
	j.close()
}

func (o *ordered) buffer() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if b := pop(&o.free); b != nil {
		return b[:orderedBuf]
	}
	return directio.Buffer(orderedBuf)
}

func (o *ordered) recycle(b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.free = append(o.free, b)
}

// Close ends the goroutines; each finishes the buffer it is at.
func (o *ordered) Close() error {
	close(o.quit)
	for _, j := range o.jobs {
		if j.out != nil {
			for range j.out {
			}
		}
	}
	return nil
}

// drop ends a part that nobody will read.
func (o *ordered) drop(j *orderedJob) {
	o.held -= j.weight
	for b := range j.out {
		o.recycle(b)
	}
}
