package diskimage

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"bty/internal/catalog"
	"bty/internal/directio"
)

// Frames of zeros come as zeros, wherever they are and whoever made them, and never instead of data.
func TestZstdZeroFrames(t *testing.T) {
	const frame = 1 << 20
	data := content(frame)
	zero, short := make([]byte, frame), make([]byte, frame/2+77)
	for name, argv := range map[string][]string{
		"with a checksum":     {"zstd", "-qc"},
		"without":             {"zstd", "-qc", "--no-check"},
		"of unknown length":   {"zstd", "-qc", "--no-content-size"},
		"as long as can be":   {"zstd", "-qc", "-19"},
		"made by the library": nil,
	} {
		make := func(in []byte) []byte {
			if argv == nil {
				return frames(t, in, frame)
			}
			return tool(t, in, argv...)
		}
		var img, want []byte
		add := func(times int, part []byte) {
			packed := make(part)
			for range times {
				img, want = append(img, packed...), append(want, part...)
			}
		}
		add(5, zero)
		add(1, data)
		add(150, zero)
		add(1, data)
		add(40, zero)
		add(1, short)
		add(2, zero)
		r, err := Open(bytes.NewReader(img), Options{Hint: catalog.Zstd})
		if err != nil {
			t.Fatal(name, err)
		}
		got, lent, err := pieces(t, r, 0)
		r.Close()
		if !errors.Is(err, io.EOF) || !bytes.Equal(got, want) {
			t.Errorf("%s: %d of %d bytes, %v", name, len(got), len(want), err)
		}
		if lent == 0 {
			t.Errorf("%s: no data was lent", name)
		}
		// Those in front may be in the decoders already when the first of them is known.
		if n := zerosIn(t, img); n < 100*frame {
			t.Errorf("%s: %d of some %d zeros were told as such", name, n, 190*frame)
		}
	}
}

// zerosIn is how many bytes of an image nobody has to look at.
func zerosIn(t *testing.T, img []byte) (n int64) {
	t.Helper()
	r, err := Open(bytes.NewReader(img), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for buf := directio.Buffer(1 << 20); ; {
		p, err := r.Next(buf)
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		n += p.Zeros
		p.Release()
	}
}

// Nearly a frame of zeros is none.
func TestZstdZeroFrameIsProven(t *testing.T) {
	const frame = 1 << 20
	zero := make([]byte, frame)
	good := tool(t, zero, "zstd", "-qc")
	for at := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[at] ^= 1 << bit
			if got, err := decode(bytes.Join([][]byte{good, good, good, bad}, nil), Options{Hint: catalog.Zstd}); err == nil && !bytes.Equal(got, make([]byte, 4*frame)) {
				t.Errorf("bit %d of byte %d: %d bytes and no error", bit, at, len(got))
			}
		}
	}
	one := bytes.Clone(zero)
	one[frame-1] = 1
	img := append(bytes.Repeat(good, 3), tool(t, one, "zstd", "-qc")...)
	if got, err := decode(img, Options{Hint: catalog.Zstd}); err != nil || !bytes.Equal(got, append(make([]byte, 3*frame), one...)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestZeroFrame(t *testing.T) {
	var z zeroFrame
	if n := z.of(nil); n != 0 {
		t.Errorf("before anything was learned: %d", n)
	}
	z.learn([]byte("small"), make([]byte, Grain-1))
	z.learn([]byte("data"), append(make([]byte, Grain), 1))
	z.learn(make([]byte, zeroFrameMost+1), make([]byte, Grain))
	z.learn([]byte("zeros"), make([]byte, 2*Grain))
	for in, want := range map[string]int64{"small": 0, "data": 0, "zeros": 2 * Grain, string(make([]byte, zeroFrameMost+1)): 0} {
		if n := z.of([]byte(in)); n != want {
			t.Errorf("%.9q is %d zeros, %d expected", in, n, want)
		}
	}
}
