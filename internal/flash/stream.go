package flash

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"bty/internal/directio"
	"bty/internal/diskimage"

	"golang.org/x/sync/errgroup"
)

const (
	chunkSize = 4 << 20
	writers   = 6
	chunks    = 9 // buffers in all: being filled, waiting, being written
	loads     = 6 // waiting for a writer
)

// load is a piece of the image on its way to the disk: data in whole blocks, or zeros.
type load struct {
	off   int64
	data  []byte
	zeros int64
	done  func() // gives the memory of data back
}

// stream decodes on this goroutine and writes on others.
type stream struct {
	*job
	free   chan []byte
	full   chan load
	zeroed atomic.Int64
	waited time.Duration // for a writer
}

func (j *job) stream(ctx context.Context) error {
	s := &stream{job: j, free: make(chan []byte, chunks), full: make(chan load, loads)}
	for range chunks {
		s.free <- nil
	}
	g, gctx := errgroup.WithContext(ctx)
	for range writers {
		g.Go(s.guarded(ErrWrite, "a writer", func() error { return s.drain(gctx) }))
	}
	defer g.Wait() // after a panic of the decoder, too: the disk is closed next
	began := time.Now()
	err := s.feed(gctx)
	decoded := time.Now()
	werr := g.Wait()
	s.waited += time.Since(decoded)
	j.res.Zeros = s.zeroed.Load()
	j.res.Bottleneck = j.bottleneck(time.Since(began), s.waited)
	if werr != nil {
		return werr // the decoder then failed only because it was stopped
	}
	return err
}

// feed decodes, and lets the writers end.
func (s *stream) feed(ctx context.Context) error {
	defer close(s.full)
	return preferred(func() error { return s.decode(ctx) })
}

// drain writes loads until there is none left.
func (s *stream) drain(ctx context.Context) error {
	for l := range s.full {
		if s.memo != nil {
			s.memo.note(l)
		}
		stop := s.clock.disk.begin()
		n, err := s.put(ctx, l)
		stop()
		s.zeroed.Add(n)
		l.done()
		if err != nil {
			s.cancel(err) // the decoder may be waiting for the network
			return kind(ErrWrite, err)
		}
	}
	return nil
}

// decode passes on pieces until the image ends. A piece in the decoder's own memory needs no
// buffer, which then serves the next.
func (s *stream) decode(ctx context.Context) error {
	if len(s.held) > 0 {
		held := s.held
		s.held = nil
		if err := s.pass(ctx, diskimage.Piece{Off: headSize, Data: held}, func() {}); err != nil {
			return err
		}
	}
	var buf []byte
	for !s.ended {
		if buf == nil {
			var err error
			if buf, err = s.buffer(ctx); err != nil {
				return err
			}
		}
		p, err := s.next(buf)
		if errors.Is(err, io.EOF) {
			return s.counted(s.res.Written)
		}
		if err != nil {
			return imageError(err)
		}
		if ferr := s.fits(p.Off + p.Len()); ferr != nil {
			p.Release()
			return ferr
		}
		if werr := s.watch(p.Data, p.Off, p.Off+p.Len()); werr != nil {
			p.Release()
			return werr
		}
		done := p.Release
		if len(p.Data) > 0 && &p.Data[0] == &buf[0] {
			own := buf
			done, buf = func() { s.free <- own }, nil // never blocks: as long as all buffers
		}
		if err := s.pass(ctx, p, done); err != nil {
			return err
		}
	}
	return nil
}

// bottleneck names the stage that the others waited for.
func (j *job) bottleneck(total, forDisk time.Duration) string {
	starved := time.Duration(j.pump.starved.Load())
	decoding := total - forDisk - starved
	switch {
	case forDisk > total/2 || forDisk > starved && forDisk > decoding:
		return byDisk
	case starved > decoding && j.clock.network.wall.Load() >= j.clock.digest.wall.Load():
		return byNetwork
	case starved > decoding:
		return byDigest
	}
	return byDecode
}

// next gives the next piece, in buf or in memory of the decoder's.
func (s *stream) next(buf []byte) (diskimage.Piece, error) {
	defer s.clock.decode.count(time.Now())
	return s.image.Next(buf)
}

func (s *stream) buffer(ctx context.Context) ([]byte, error) {
	defer func(asked time.Time) { s.waited += time.Since(asked) }(time.Now())
	select {
	case b := <-s.free:
		if b == nil {
			b = directio.Buffer(chunkSize)
		}
		return b, nil
	case <-ctx.Done():
		return nil, kind(ErrCancelled, context.Cause(ctx))
	}
}

// pass gives a piece to the writers, in parts of chunkSize, but for what belongs to the disk's end.
func (s *stream) pass(ctx context.Context, p diskimage.Piece, done func()) error {
	s.res.Written = p.Off + p.Len()
	data := s.pad(p.Data)
	s.edges.keep(data, p.Off)
	n := min(int64(len(data)), max(s.edges.tailAt-p.Off, 0))
	var parts []load
	for at := int64(0); at < n; at += chunkSize {
		parts = append(parts, load{off: p.Off + at, data: data[at:min(at+chunkSize, n)]})
	}
	if zeros := min(p.Zeros, s.edges.tailAt-p.Off); zeros > 0 {
		parts = append(parts, load{off: p.Off, zeros: zeros})
	}
	if len(parts) == 0 {
		done()
		return nil
	}
	left := new(atomic.Int64)
	left.Store(int64(len(parts)))
	for _, l := range parts {
		l.done = func() {
			if left.Add(-1) == 0 {
				done()
			}
		}
		if err := s.send(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) send(ctx context.Context, l load) error {
	defer func(asked time.Time) { s.waited += time.Since(asked) }(time.Now())
	select {
	case s.full <- l:
		return nil
	case <-ctx.Done():
		return kind(ErrCancelled, context.Cause(ctx))
	}
}

// pad fills the last block with zeros; a disk takes whole blocks only. Only the last piece can end
// within one, and it lies in a buffer of ours, which has room.
func (s *stream) pad(p []byte) []byte {
	block := s.disk.Logical
	n := (len(p) + block - 1) / block * block
	if n > len(p) {
		clear(p[len(p):n])
	}
	return p[:n]
}
