package flash

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"bty/internal/catalog"
)

const (
	blockSize  = 512 << 10
	blockCount = 24       // read ahead of the decoder, 12 MiB
	blockFill  = 64 << 10 // a block is passed on when so much is in it
	sampled    = 8        // of the reads, one in so many is measured: a thread of its own costs where there is waiting
)

// pump reads the source ahead on a goroutine of its own and gives every block to two others:
// the digest, on a goroutine of its own, and the decoder, which calls Read.
type pump struct {
	ctx   context.Context
	src   io.Reader
	meter *meter
	clock *clock

	digests bool // else p.digest stays zero

	free     chan *block
	toDigest chan *block
	toRead   chan *block
	current  *block // of Read
	pos      int

	ended  chan struct{} // both goroutines are done
	err    error         // of the source; valid when toRead is closed
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

func startPump(ctx context.Context, src io.Reader, m *meter, c *clock, digest bool) *pump {
	p := &pump{
		ctx: ctx, src: src, meter: m, clock: c, digests: digest,
		free: make(chan *block, blockCount), toDigest: make(chan *block, blockCount), toRead: make(chan *block, blockCount),
		ended: make(chan struct{}),
	}
	for range blockCount {
		p.free <- &block{}
	}
	go p.sum()
	go p.fetch()
	return p
}

func (p *pump) fetch() {
	defer close(p.toDigest)
	defer close(p.toRead)
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
		p.clock.network.do(times, func() { p.err = p.fill(b) })
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

func (p *pump) fill(b *block) error {
	if b.buf == nil {
		b.buf = make([]byte, blockSize)
	}
	for b.n = 0; b.n < blockFill; {
		n, err := p.src.Read(b.buf[b.n:])
		b.n += n
		p.meter.add(n)
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *pump) sum() {
	defer close(p.ended)
	h := sha256.New()
	for b := range p.toDigest {
		if p.digests {
			p.clock.digest.do(1, func() { h.Write(b.buf[:b.n]) })
		}
		p.release(b)
	}
	if p.digests {
		h.Sum(p.digest[:0])
	}
}

func (p *pump) release(b *block) {
	if b.refs.Add(-1) == 0 {
		p.free <- b
	}
}

// Read gives the source's bytes. A failure of the source is marked ErrOrigin.
func (p *pump) Read(out []byte) (int, error) {
	if p.current == nil {
		b, err := p.nextBlock()
		if err != nil {
			return 0, err
		}
		p.current, p.pos = b, 0
	}
	n := copy(out, p.current.buf[p.pos:p.current.n])
	p.pos += n
	if p.pos == p.current.n {
		p.release(p.current)
		p.current = nil
	}
	return n, nil
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
	if !errors.Is(p.err, io.EOF) {
		return catalog.Digest{}, 0, kind(ErrOrigin, p.err)
	}
	return p.digest, p.n, nil
}

// stop returns when both goroutines have ended; the context must have ended.
func (p *pump) stop() { <-p.ended }

func since(start time.Time, sum *atomic.Int64) { sum.Add(int64(time.Since(start))) }
