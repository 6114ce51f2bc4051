package flash

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"sync/atomic"
	"time"

	"bty/internal/catalog"
	"bty/internal/directio"
	"bty/internal/diskimage"
)

const (
	blockSize  = 2 << 20
	blockCount = lendable + 3    // read ahead of the decoder
	firstFill  = diskimage.Grain // of the first block, so that what is no image for the disk is refused soon
	linger     = time.Second / 2 // that a block waits for a slow network, which is passed on as it comes
	sampled    = 8               // of the reads, one in so many is measured: a thread of its own costs where there is waiting
)

// lendable is how many blocks may be with the writers at a time: being written, waiting, being passed on. With fewer
// in all a slow disk would be taken for a slow source.
const lendable = writers + loads + 1

// pump reads the source ahead on a goroutine of its own and gives every block to two others:
// the digest, on a goroutine of its own, and the decoder, which calls Read, or lend for what needs no decoding.
type pump struct {
	ctx   context.Context
	src   io.Reader
	meter *meter
	clock *clock

	caught  catcher
	digests bool        // else p.digest stays zero
	urgent  atomic.Bool // the digest is what everybody waits for: nothing has to be decoded

	free     chan *block
	toDigest chan *block
	toRead   chan *block
	current  *block // of Read
	pos      int

	ended  chan struct{} // both goroutines are done
	err    error         // of the source; valid when toRead is closed
	sumErr error         // of the digest; valid when ended is closed
	digest catalog.Digest
	n      int64

	// Where time went, in nanoseconds.
	starved atomic.Int64
}

type block struct {
	buf  []byte
	n    int
	refs atomic.Int32
}

func startPump(ctx context.Context, src io.Reader, m *meter, c *clock, digest bool, caught catcher) *pump {
	p := &pump{
		ctx: ctx, src: src, meter: m, clock: c, digests: digest, caught: caught,
		free: make(chan *block, blockCount), toDigest: make(chan *block, blockCount), toRead: make(chan *block, blockCount),
		ended: make(chan struct{}),
	}
	arena := directio.Buffer(blockCount * blockSize)
	for i := range blockCount {
		p.free <- &block{buf: arena[i*blockSize : (i+1)*blockSize]}
	}
	go p.sum()
	go p.fetch()
	return p
}

func (p *pump) fetch() {
	defer close(p.toDigest)
	defer close(p.toRead)
	defer func() {
		if v := recover(); v != nil {
			p.err = p.caught(ErrOrigin, "the source", v)
		}
	}()
	for turn := 0; p.err == nil; turn++ {
		b, ok := p.take()
		if !ok {
			p.err = context.Cause(p.ctx)
			return
		}
		times := int64(0)
		if turn%sampled == 0 {
			times = sampled
		}
		size := blockSize
		if turn == 0 {
			size = firstFill
		}
		p.clock.network.do(times, func() { p.err = p.fill(b, size) })
		if b.n == 0 {
			continue
		}
		p.n += int64(b.n)
		b.refs.Store(2)
		p.toDigest <- b // never blocks: as long as all blocks
		p.toRead <- b
	}
}

func (p *pump) take() (*block, bool) {
	select {
	case b := <-p.free:
		return b, true
	case <-p.ctx.Done():
		return nil, false
	}
}

// fill ends a block at a grain, but at the source's end, or it could not be lent.
func (p *pump) fill(b *block, size int) error {
	began := time.Now()
	for b.n = 0; b.n < size; {
		n, err := p.src.Read(b.buf[b.n:size])
		b.n += n
		p.meter.add(n)
		if err == nil && p.ctx.Err() != nil { // which not every source ends with
			err = context.Cause(p.ctx)
		}
		if err != nil {
			return err
		}
		if time.Since(began) > linger {
			size = (b.n + diskimage.Grain - 1) / diskimage.Grain * diskimage.Grain
		}
	}
	return nil
}

func (p *pump) sum() {
	defer close(p.ended)
	defer func() {
		if v := recover(); v != nil {
			p.sumErr = p.caught(ErrOrigin, "the digest", v)
			for b := range p.toDigest { // until the source has ended, too
				p.release(b)
			}
		}
	}()
	h := sha256.New()
	for !p.urgent.Load() && p.sumBlock(h) {
	}
	_ = preferred(func() error {
		for p.sumBlock(h) {
		}
		return nil
	})
	if p.digests {
		h.Sum(p.digest[:0])
	}
}

// sumBlock is false at the end.
func (p *pump) sumBlock(h hash.Hash) bool {
	b, ok := <-p.toDigest
	if !ok {
		return false
	}
	if p.digests {
		p.clock.digest.do(1, func() { h.Write(b.buf[:b.n]) })
	}
	p.release(b)
	return true
}

func (p *pump) release(b *block) {
	if b.refs.Add(-1) == 0 {
		p.free <- b
	}
}

// Read gives the source's bytes. A failure of the source is marked ErrOrigin.
func (p *pump) Read(out []byte) (int, error) {
	if err := p.load(); err != nil {
		return 0, err
	}
	n := copy(out, p.current.buf[p.pos:p.current.n])
	p.pos += n
	if p.pos == p.current.n {
		p.release(p.current)
		p.current = nil
	}
	return n, nil
}

// lend gives what is left of a block as it is in memory, whole grains only; nothing where Read has to go on.
func (p *pump) lend() (data []byte, done func(), err error) {
	if err := p.load(); err != nil {
		return nil, nil, err
	}
	b := p.current
	if p.pos%diskimage.Grain != 0 || b.n%diskimage.Grain != 0 {
		return nil, nil, nil
	}
	data, p.current = b.buf[p.pos:b.n], nil
	return data, func() { p.release(b) }, nil
}

// load sees to it that there is a block to read from.
func (p *pump) load() error {
	if p.current != nil {
		return nil
	}
	b, err := p.nextBlock()
	p.current, p.pos = b, 0
	return err
}

func (p *pump) nextBlock() (*block, error) {
	defer since(time.Now(), &p.starved)
	select {
	case b, ok := <-p.toRead:
		if ok {
			return b, nil
		}
	case <-p.ctx.Done():
		return nil, context.Cause(p.ctx)
	}
	if errors.Is(p.err, io.EOF) {
		return nil, io.EOF
	}
	return nil, kind(ErrOrigin, p.err)
}

// wait returns the digest and the length after the whole source was read.
func (p *pump) wait() (catalog.Digest, int64, error) {
	<-p.ended
	if p.sumErr != nil {
		return catalog.Digest{}, 0, p.sumErr
	}
	if !errors.Is(p.err, io.EOF) {
		return catalog.Digest{}, 0, kind(ErrOrigin, p.err)
	}
	return p.digest, p.n, nil
}

// stop returns when both goroutines have ended; the context must have ended.
func (p *pump) stop() { <-p.ended }

func since(start time.Time, sum *atomic.Int64) { sum.Add(int64(time.Since(start))) }
