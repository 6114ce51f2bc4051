package diskimage

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"bty/internal/catalog"
	"bty/internal/directio"
)

// Frames of all sizes, in turn: the memory of large ones is not kept for as many small ones.
func TestZstdSpareMemory(t *testing.T) {
	large := tool(t, bytes.Repeat([]byte("the image is the source of truth\n"), zstdWhole/33), "zstd", "-qc1")
	medium, small := tool(t, content(4<<20), "zstd", "-qc1"), tool(t, content(Grain), "zstd", "-qc1")
	turn := slices.Concat(bytes.Repeat(large, 6), bytes.Repeat(medium, 16), bytes.Repeat(small, 40))
	r, err := Open(bytes.NewReader(bytes.Repeat(turn, 6)), Options{Hint: catalog.Zstd})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var given []Piece // as writers have them
	most := 0
	for buf := directio.Buffer(4 << 20); ; {
		p, err := r.Next(buf)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if given = append(given, p); len(given) > 4 {
			given[0].Release()
			given = given[1:]
		}
		most = max(most, memory(r.dec.(*zstdReader)))
	}
	if most > zstdMemory+zstdSpare {
		t.Errorf("%d MiB are kept", most>>20)
	}
}

// memory is what the frames ahead and those to come have.
func memory(z *zstdReader) (sum int) {
	for _, j := range z.jobs {
		if j.done != nil {
			<-j.done
			sum += cap(j.out)
		}
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, b := range slices.Concat(z.in.free, z.out.free) {
		sum += cap(b)
	}
	return sum
}
