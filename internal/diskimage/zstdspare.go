package diskimage

import "bty/internal/directio"

// spare is memory that is free. Frames of many sizes would gather large pieces of it for small ones.
type spare struct {
	free  [][]byte
	bytes int
}

func (s *spare) take() []byte {
	b := pop(&s.free)
	s.bytes -= cap(b)
	return b
}

// keep lets go of what goes beyond a limit.
func (s *spare) keep(b []byte, limit int64) {
	if n := cap(b); n > 0 && int64(s.bytes+n) <= limit {
		s.free, s.bytes = append(s.free, b[:0]), s.bytes+n
	}
}

func (z *zstdReader) room() bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.ahead < zstdAhead
}

// input returns memory for a frame as it is compressed, which is free again once it is decoded.
// Few frames are larger than what they decode to.
func (z *zstdReader) input(decoded int64) []byte {
	z.mu.Lock()
	defer z.mu.Unlock()
	if in := z.in.take(); in != nil {
		return in
	}
	return make([]byte, 0, decoded)
}

func (z *zstdReader) recycle(in []byte) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.in.keep(in, zstdSpare)
}

// buffer returns memory for a frame, a free one where there is one.
func (z *zstdReader) buffer(bound int64) []byte {
	z.mu.Lock()
	defer z.mu.Unlock()
	out := z.out.take()
	if int64(cap(out)) < bound {
		out = directio.Buffer(int(bound))
	}
	z.ahead += int64(cap(out))
	return out[:0]
}

func (z *zstdReader) free(j *zstdJob) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.ahead -= j.bound
	z.out.keep(j.out, zstdMemory-z.ahead)
}
