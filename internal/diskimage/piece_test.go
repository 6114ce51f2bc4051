package diskimage

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"unsafe"

	"bty/internal/catalog"
	"bty/internal/directio"
)

// pieces takes all pieces, holding a few of them as a writer does, and checks what Next promises.
func pieces(t *testing.T, r *Reader, at int64) (out []byte, lent int, err error) {
	t.Helper()
	var held []Piece
	for odd := false; ; {
		buf := directio.Buffer(1 << 20)
		p, err := r.Next(buf)
		if err != nil {
			if p.Len() != 0 {
				t.Errorf("a piece and %v", err)
			}
			return out, lent, err
		}
		if p.Off != at || p.Len() == 0 || p.Off%Grain != 0 || odd || p.Zeros > 0 && p.Data != nil {
			t.Fatalf("piece at %d of %d bytes and %d zeros after %d (not in order, or off the grain)", p.Off, len(p.Data), p.Zeros, at)
		}
		at, odd = at+p.Len(), p.Len()%Grain != 0
		if len(p.Data) > 0 && uintptr(unsafe.Pointer(unsafe.SliceData(p.Data)))%4096 != 0 {
			t.Fatal("memory that is not aligned")
		}
		if len(p.Data) > 0 && &p.Data[0] != &buf[0] {
			lent++
		}
		out = append(out, p.Data...)
		out = append(out, make([]byte, p.Zeros)...)
		if held = append(held, p); len(held) > 5 {
			clear(held[0].Data) // a buffer that is used while it is lent would show
			held[0].Release()
			held = held[1:]
		}
	}
}

func TestPieces(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			size := 9_000_001
			if k.format == catalog.XZ || k.format == catalog.Bzip2 {
				size = 5_000_001 // they take long to make
			}
			want := content(size)
			img := k.make(t, want)
			for _, head := range []int{0, 4 << 20} {
				r, err := Open(bytes.NewReader(img), Options{Hint: k.format})
				if err != nil {
					t.Fatal(err)
				}
				first := make([]byte, head)
				if _, err := io.ReadFull(r, first); err != nil {
					t.Fatal(err)
				}
				got, lent, err := pieces(t, r, int64(head))
				r.Close()
				if got = append(first, got...); !errors.Is(err, io.EOF) || !bytes.Equal(got, want) {
					t.Fatalf("%d of %d bytes, %v", len(got), len(want), err)
				}
				if strings.Contains(k.name, "4 MiB") && lent == 0 {
					t.Error("no frame was handed out as it is")
				}
			}
		})
	}
}

func TestPiecesOfDamaged(t *testing.T) {
	for _, k := range kinds() {
		if k.format == "img" {
			continue
		}
		whole := sample(t, k, 3_000_000)
		r, err := Open(bytes.NewReader(whole[:len(whole)*2/3]), Options{Hint: k.format})
		if errors.Is(err, ErrCorrupt) {
			continue // all of it is one part, and that is looked at before anything is given
		}
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // and it stays so
			if _, _, err = pieces(t, r, r.off); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %v", k.name, err)
			}
		}
		r.Close()
	}
}
