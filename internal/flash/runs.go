package flash

import (
	"context"

	"bty/internal/disk"
)

const granule = 64 << 10 // zeros are looked for in units of this

// put writes what of a load is not zero and zeroes the rest; it returns how much it zeroed.
func (j *job) put(ctx context.Context, l load) (zeroed int64, err error) {
	if l.zeros > 0 {
		return l.zeros, j.disk.Zero(ctx, l.off, l.zeros)
	}
	for at := 0; at < len(l.data); {
		if err := context.Cause(ctx); err != nil {
			return zeroed, err
		}
		hole, end := nextRun(l.data, at)
		off, n := l.off+int64(at), int64(end-at)
		if hole {
			err = j.disk.Zero(ctx, off, n)
			zeroed += n
		} else {
			_, err = j.disk.WriteAt(l.data[at:end], off)
		}
		if err != nil {
			return zeroed, err
		}
		at = end
	}
	return zeroed, nil
}

// nextRun finds the run of zeros or of data that begins at p[at].
func nextRun(p []byte, at int) (hole bool, end int) {
	isZero := func(from int) (bool, int) {
		to := min(from+granule, len(p))
		return disk.IsZero(p[from:to]), to
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
