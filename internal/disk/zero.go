package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"bty/internal/directio"

	"golang.org/x/sys/unix"
)

// zeroStep bounds one request, so that a cancelled flash ends soon on a device that is slow
// at it.
const zeroStep = 256 << 20

// Zero makes a range read as zeros. The kernel promises that for a hole punched into a block
// device (REQ_OP_WRITE_ZEROES, which devices without it refuse), unlike for a mere discard;
// otherwise it writes zeros. Several calls may be in flight. Offset and length are multiples of the logical block.
func (t *Target) Zero(ctx context.Context, off, n int64) error {
	for n > 0 {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		step := min(n, zeroStep)
		if err := t.zero(off, step); err != nil {
			return fmt.Errorf("zero %s at byte %d: %w", t.Path, off, t.cause(err))
		}
		off, n = off+step, n-step
	}
	return nil
}

func (t *Target) zero(off, n int64) error {
	if !t.noPunch.Load() {
		err := t.fallocate(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
		if !unsupported(err) {
			return err
		}
		t.noPunch.Store(true)
	}
	if !t.noZeroes.Load() {
		err := t.fallocate(unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, off, n)
		if !unsupported(err) {
			return err
		}
		t.noZeroes.Store(true)
	}
	return t.writeZeros(off, n)
}

func (t *Target) fallocate(mode uint32, off, n int64) error {
	if t.ring == nil {
		return t.alone(func() error { return unix.Fallocate(int(t.f.Fd()), mode, off, n) })
	}
	return t.ring.fallocate(int(t.ringed.Fd()), mode, off, n)
}

// zeroPage is small enough to stay in the processor's nearest cache beside what is compared with it.
var zeroPage [4096]byte

// IsZero says whether p holds nothing but zeros.
func IsZero(p []byte) bool {
	for len(p) > len(zeroPage) {
		if !bytes.Equal(p[:len(zeroPage)], zeroPage[:]) {
			return false
		}
		p = p[len(zeroPage):]
	}
	return bytes.Equal(p, zeroPage[:len(p)])
}

func unsupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS)
}

func (t *Target) writeZeros(off, n int64) error {
	buf := directio.Buffer(int(min(n, 1<<20)))
	for n > 0 {
		step := min(n, int64(len(buf)))
		if _, err := t.f.WriteAt(buf[:step], off); err != nil {
			return pathless(err)
		}
		off, n = off+step, n-step
	}
	return nil
}

// ProveZeroing overwrites a range with a pattern, zeroes it and reads it back. A device on which
// that does not give zeros is written with zeros from then on. The range is lost either way.
func (t *Target) ProveZeroing(ctx context.Context, off, n int64) error {
	buf := directio.Buffer(int(n))
	for {
		for i := range buf {
			buf[i] = 0xa5
		}
		if _, err := t.WriteAt(buf, off); err != nil {
			return err
		}
		if err := t.Zero(ctx, off, n); err != nil {
			return err
		}
		if _, err := t.ReadAt(buf, off); err != nil {
			return err
		}
		switch {
		case len(bytes.Trim(buf, "\x00")) == 0:
			return nil
		case !t.noPunch.Load():
			t.noPunch.Store(true)
		case !t.noZeroes.Load():
			t.noZeroes.Store(true)
		default:
			return fmt.Errorf("%s does not keep what is written to it: zeros at byte %d read back as something else", t.Path, off)
		}
	}
}

// Wipe makes the disk unbootable and nobody's: zeros over its first head and last tail bytes,
// where partition tables, boot sectors and the signatures of RAID and file systems are, on the
// medium before it returns.
func (t *Target) Wipe(head, tail int64) error {
	block := int64(t.Logical)
	head = min(head, t.Size) / block * block
	tail = min(tail, t.Size-head) / block * block
	if err := t.writeZeros(0, head); err != nil {
		return fmt.Errorf("wipe the beginning of %s: %w", t.Path, t.cause(err))
	}
	if err := t.writeZeros(t.Size/block*block-tail, tail); err != nil {
		return fmt.Errorf("wipe the end of %s: %w", t.Path, t.cause(err))
	}
	return t.Sync()
}
