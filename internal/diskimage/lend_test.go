package diskimage

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"bty/internal/directio"
)

// lender is a source whose memory may be used.
type lender struct {
	blocks [][]byte
	pos    int
	end    error
	lent   int
}

func (l *lender) load() error {
	if len(l.blocks) == 0 {
		return l.end
	}
	return nil
}

func (l *lender) Read(p []byte) (int, error) {
	if err := l.load(); err != nil {
		return 0, err
	}
	n := copy(p, l.blocks[0][l.pos:])
	if l.pos += n; l.pos == len(l.blocks[0]) {
		l.blocks, l.pos = l.blocks[1:], 0
	}
	return n, nil
}

func (l *lender) lend() ([]byte, func(), error) {
	if err := l.load(); err != nil {
		return nil, nil, err
	}
	b := l.blocks[0]
	if l.pos%Grain != 0 || len(b)%Grain != 0 {
		return nil, nil, nil
	}
	b = b[l.pos:]
	l.blocks, l.pos = l.blocks[1:], 0
	l.lent++
	return b, func() {}, nil
}

func lent(in []byte, first int, end error) *lender {
	l := &lender{end: end}
	for n := first; len(in) > 0; n = 1 << 20 {
		b := directio.Buffer(min(n, len(in)))
		in = in[copy(b, in):]
		l.blocks = append(l.blocks, b)
	}
	return l
}

// A raw image is given as it is in the source's memory, but for what does not fit into the disk's blocks.
func TestRawIsLent(t *testing.T) {
	want := content(9_000_001)
	for _, first := range []int{Grain, 1 << 20, 77} {
		for _, head := range []int{0, 4 << 20} {
			l := lent(want, first, io.EOF)
			r, err := Open(l, Options{Name: "disk.img", Lend: l.lend})
			if err != nil {
				t.Fatal(err)
			}
			begin := make([]byte, head)
			if _, err := io.ReadFull(r, begin); err != nil {
				t.Fatal(err)
			}
			got, _, err := pieces(t, r, int64(head))
			if got = append(begin, got...); !errors.Is(err, io.EOF) || !bytes.Equal(got, want) {
				t.Errorf("first block of %d, head of %d: %d of %d bytes, %v", first, head, len(got), len(want), err)
			}
			if fits := first%Grain == 0; fits && l.lent < 3 || !fits && l.lent > 0 {
				t.Errorf("first block of %d, head of %d: %d blocks were lent", first, head, l.lent)
			}
		}
	}
}

func TestLendFails(t *testing.T) {
	broken := errors.New("the cable is out")
	l := lent(content(3<<20), Grain, broken)
	r, err := Open(l, Options{Name: "disk.img", Lend: l.lend})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, _, err := pieces(t, r, r.off); !errors.Is(err, broken) || errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
	}
}
