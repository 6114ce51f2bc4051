package diskimage

import (
	"bytes"
	"sync"
)

// zeroFrameMost is how long a frame of zeros is at most, compressed: every 128 KiB of it take four bytes.
const zeroFrameMost = 1 << 10

// zeroFrame remembers a frame that decoded to zeros. Most of a disk image are such frames, all alike: the next one
// with the same bytes need not be decoded, nor anybody look for zeros in it.
type zeroFrame struct {
	mu    sync.Mutex
	in    []byte
	zeros int64
}

// of is how many zeros a frame is, 0 = it has to be decoded.
func (z *zeroFrame) of(in []byte) int64 {
	if len(in) > zeroFrameMost {
		return 0
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if !bytes.Equal(in, z.in) {
		return 0
	}
	return z.zeros
}

// learn looks at a frame and what it decoded to. Small ones are not worth it.
func (z *zeroFrame) learn(in, out []byte) {
	if len(in) > zeroFrameMost || len(out) < Grain || z.of(in) > 0 || !isZero(out) {
		return
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.in, z.zeros = bytes.Clone(in), int64(len(out))
}

func isZero(p []byte) bool { return p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1]) }
