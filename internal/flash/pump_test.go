package flash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"bty/internal/catalog"
	"bty/internal/disk/looptest"
	"bty/internal/diskimage"
)

// trickle is a slow network: little at a time, and pauses.
type trickle struct {
	given atomic.Int64
	piece int
	pause time.Duration
}

func (r *trickle) Read(p []byte) (int, error) {
	time.Sleep(r.pause)
	n := min(len(p), r.piece)
	r.given.Add(int64(n))
	return n, nil
}

// What a slow network gave is passed on and not kept until a block is full, and is still what may be lent.
func TestSlowNetworkIsPassedOn(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	src := &trickle{piece: 20_000, pause: 40 * time.Millisecond} // 2 MiB would take 4 s
	p := startPump(ctx, src, newMeter(nil, nil), newClock(), true, nil)
	defer func() {
		cancel(errEnded)
		p.stop()
	}()
	if _, err := io.ReadFull(p, make([]byte, firstFill)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		data, done, err := p.lend()
		if err != nil {
			t.Fatal(err)
		}
		if n := len(data); n == 0 || n%diskimage.Grain != 0 || n > blockSize/2 {
			t.Errorf("%d bytes are lent of %d that came", n, src.given.Load())
		}
		done()
	}
}

// awkward are ways of a source to give its bytes.
var awkward = map[string]func(io.Reader) io.Reader{
	"as asked":      func(r io.Reader) io.Reader { return r },
	"byte by byte":  iotest.OneByteReader,
	"halves":        iotest.HalfReader,
	"end with data": iotest.DataErrReader,
	"by chance": func(r io.Reader) io.Reader {
		rng := rand.New(rand.NewPCG(1, 2))
		return readerFunc(func(p []byte) (int, error) { return r.Read(p[:1+rng.IntN(min(len(p), 300_000))]) })
	},
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A raw image goes to the disk out of the memory of the pump: each byte is on its place, whatever its length, the
// disk's blocks, and how the source gives it.
func TestLentToTheDisk(t *testing.T) {
	const most = headSize + 9*blockSize
	img := picture(most, 5)
	for _, size := range []int{
		headSize - 1, headSize, headSize + 1, headSize + firstFill, headSize + firstFill + 512, headSize + blockSize + firstFill,
		headSize + blockSize + firstFill - 1, headSize + 3*blockSize + 4095, most - tailSize - 1, most - tailSize + 4096, most - 512, most,
	} {
		for name, way := range awkward {
			if name == "byte by byte" && size != headSize+blockSize+firstFill-1 {
				continue // it takes long
			}
			for _, block := range []int{512, 4096} {
				if size > most-4096 && size != most && block == 4096 {
					continue
				}
				path, file := used(t, most, looptest.Options{BlockSize: block})
				req := Request{Source: "-", Format: catalog.Raw, Target: path, Size: int64(size), Verify: true, NoDigest: block == 512 && name == "halves"}
				if !req.NoDigest {
					req.Digest = digest(img[:size])
				}
				req.Origin.Stdin = way(bytes.NewReader(img[:size]))
				res, err := Run(t.Context(), req, nil)
				if err != nil || !res.ReadBack || res.Written != int64(size) || res.Transferred != int64(size) {
					t.Errorf("%d bytes, %s, blocks of %d: %+v, %v", size, name, block, res, err)
					continue
				}
				holds(t, file, append(bytes.Clone(img[:size]), make([]byte, -size&(block-1))...))
				if t.Failed() {
					t.Fatalf("%d bytes, %s, blocks of %d", size, name, block)
				}
			}
		}
	}
}

// A source that fails while its memory is lent: the error is the source's, and no block of it is written twice or
// holds up the end.
func TestLentSourceFails(t *testing.T) {
	broken := errors.New("the line is down")
	img := picture(64*mib, 6)
	for _, at := range []int{headSize + firstFill, 30*mib + 77, 40 * mib} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			path, file := used(t, 64*mib, looptest.Options{})
			req := Request{Source: "-", Format: catalog.Raw, Target: path, Size: int64(len(img))}
			req.Origin.Stdin = io.MultiReader(bytes.NewReader(img[:at]), iotest.ErrReader(broken))
			fails(t, errOf(Run(t.Context(), req, nil)), ErrOrigin, broken.Error())
			unbootable(t, file)
		})
	}
}
