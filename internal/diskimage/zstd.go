package diskimage

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// A frame up to this size, compressed and decoded, is decoded as a whole beside others.
	zstdWhole = 16 << 20
	// What all such frames together may decode to at a time.
	zstdAhead = 80 << 20
	// What all memory for decoded frames comes to, the free with the rest: less would have it made anew all the time.
	zstdMemory = zstdAhead + zstdWhole
	// What is kept of free memory for frames as they are compressed, which few wait as.
	zstdSpare = 48 << 20
	// Frames in memory that nobody has read yet. One in front that takes long has others decoded meanwhile:
	// enough of them that no core waits for it.
	zstdFrames = 32
	// Zeros that are passed on in one go: an image that holds nothing else has to be noticed.
	zstdZeros = 64 << 20
)

// zstdReader decodes independent frames on all cores, in order, and a frame that is too large
// to hold by streaming. It looks ahead only inside Read, and its goroutines each decode one
// frame that is in memory already.
type zstdReader struct {
	src    *bufio.Reader
	whole  *zstd.Decoder
	stream *zstd.Decoder // nil until a large frame comes

	jobs []*zstdJob // in order; jobs[0] is the one being read
	next *zstdFrame // its beginning was looked at; nil: look for it
	end  error      // why there is no next
	zero zeroFrame

	mu    sync.Mutex
	ahead int64 // memory of the decoded frames, those given away too
	in    spare
	out   spare
}

// zstdJob is one frame: in memory, or (large) still in the source; or some that are known to be zeros.
type zstdJob struct {
	in, out []byte
	zeros   int64
	bound   int64
	done    chan struct{}
	err     error
	pos     int
	large   bool
}

func newZstd(src *bufio.Reader, workers int) (decoder, int64, error) {
	whole, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(workers), zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxWindow(maxDict))
	if err != nil {
		return nil, 0, err
	}
	z := &zstdReader{src: src, whole: whole}
	if err := z.look(); err != nil && !errors.Is(err, io.EOF) {
		z.Close()
		return nil, 0, err
	}
	atLeast := int64(0)
	if z.next != nil {
		atLeast = z.next.decodedSize()
	}
	return z, atLeast, nil
}

func (z *zstdReader) look() error {
	if z.next == nil && z.end == nil {
		z.next, z.end = nextZstdFrame(z.src)
		if z.end != nil {
			z.next = nil
		}
	}
	return z.end
}

func (z *zstdReader) Read(p []byte) (int, error) {
	for {
		if len(z.jobs) == 0 || !z.jobs[0].large {
			z.fill()
		}
		if len(z.jobs) == 0 {
			return 0, z.end
		}
		n, err := z.jobs[0].read(z, p)
		if errors.Is(err, io.EOF) {
			z.retire()
			err = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// fill starts decoding frames, as many as may be in memory; the library lets so many of them run as there are
// cores.
func (z *zstdReader) fill() {
	for len(z.jobs) < zstdFrames && (len(z.jobs) == 0 || z.room()) {
		if z.look() != nil {
			return
		}
		if z.next.decodedSize() > zstdWhole {
			z.startLarge(nil)
			return
		}
		in, whole, err := z.next.take(z.input(z.next.decodedSize()), zstdWhole)
		if err != nil {
			z.next, z.end = nil, err
			return
		}
		if !whole {
			z.startLarge(in)
			return
		}
		if zeros := z.zero.of(in); zeros > 0 {
			z.next = nil
			z.pass(zeros)
			z.recycle(in)
			continue
		}
		z.startWhole(in)
	}
}

// pass queues zeros that nobody decodes.
func (z *zstdReader) pass(zeros int64) {
	if n := len(z.jobs); n > 0 && z.jobs[n-1].zeros > 0 && z.jobs[n-1].zeros < zstdZeros {
		z.jobs[n-1].zeros += zeros
		return
	}
	z.jobs = append(z.jobs, &zstdJob{zeros: zeros})
}

func (z *zstdReader) startWhole(in []byte) {
	j := &zstdJob{done: make(chan struct{})}
	out := z.buffer(z.next.decodedSize())
	j.bound, z.next = int64(cap(out)), nil
	z.jobs = append(z.jobs, j)
	go func() {
		defer close(j.done)
		defer recovered(&j.err)
		j.out, j.err = z.whole.DecodeAll(in, out)
		if j.err == nil {
			z.zero.learn(in, j.out)
		}
		z.recycle(in)
	}()
}

// startLarge queues the frame z.next, of which prefix was read already. No frame behind it can
// be looked at before it is used up.
func (z *zstdReader) startLarge(prefix []byte) {
	z.jobs = append(z.jobs, &zstdJob{in: prefix, large: true})
}

func (j *zstdJob) read(z *zstdReader, p []byte) (int, error) {
	if j.large {
		return j.readLarge(z, p)
	}
	if j.zeros > 0 {
		return j.readZeros(p)
	}
	<-j.done
	if j.err != nil {
		return 0, j.err
	}
	n := copy(p, j.out[j.pos:])
	j.pos += n
	if j.pos == len(j.out) {
		return n, io.EOF
	}
	return n, nil
}

func (j *zstdJob) readZeros(p []byte) (int, error) {
	n := int(min(int64(len(p)), j.zeros))
	clear(p[:n])
	if j.zeros -= int64(n); j.zeros == 0 {
		return n, io.EOF
	}
	return n, nil
}

func (j *zstdJob) readLarge(z *zstdReader, p []byte) (int, error) {
	if j.done == nil {
		j.done = make(chan struct{})
		if err := z.openStream(io.MultiReader(bytes.NewReader(j.in), z.next)); err != nil {
			return 0, err
		}
	}
	n, err := z.stream.Read(p)
	if errors.Is(err, io.EOF) {
		z.next = nil
	}
	return n, err
}

// openStream decodes on one core: the library's chain of goroutines hands every block on from one core to
// the next, which takes a third more processor time at best and nearly three times as much at worst.
func (z *zstdReader) openStream(r io.Reader) (err error) {
	if z.stream != nil {
		return z.stream.Reset(r)
	}
	z.stream, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxDict))
	return err
}

// give hands out a frame that is decoded already, if nothing of it was read.
func (z *zstdReader) give() (zeros int64, data []byte, done func(), err error) {
	if len(z.jobs) == 0 || !z.jobs[0].large {
		z.fill()
	}
	if len(z.jobs) == 0 || z.jobs[0].large || z.jobs[0].pos > 0 {
		return 0, nil, nil, nil
	}
	j := z.jobs[0]
	if j.zeros > 0 {
		return z.giveZeros(j), nil, nil, nil
	}
	<-j.done
	if j.err != nil || len(j.out) == 0 || len(j.out)%Grain != 0 {
		return 0, nil, nil, j.err
	}
	z.drop()
	return 0, j.out, func() { z.free(j) }, nil
}

func (z *zstdReader) giveZeros(j *zstdJob) int64 {
	whole := j.zeros / Grain * Grain
	if j.zeros -= whole; j.zeros == 0 {
		z.drop()
	}
	return whole
}

// retire drops the job that was read to its end and keeps its buffers.
func (z *zstdReader) retire() {
	j := z.jobs[0]
	z.drop()
	z.free(j)
}

func (z *zstdReader) drop() { z.jobs = z.jobs[1:] }

// Close ends the decoders. A frame in memory is decoded to its end first: that takes
// milliseconds.
func (z *zstdReader) Close() error {
	for _, j := range z.jobs {
		if !j.large && j.zeros == 0 {
			<-j.done
		}
	}
	z.whole.Close()
	if z.stream != nil {
		z.stream.Close()
	}
	return nil
}

func pop(free *[][]byte) []byte {
	n := len(*free)
	if n == 0 {
		return nil
	}
	b := (*free)[n-1]
	*free = (*free)[:n-1]
	return b
}
