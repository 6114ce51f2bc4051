package diskimage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"bty/internal/catalog"
)

func perFormat(t testing.TB, in []byte) map[catalog.Format][]byte {
	return map[catalog.Format][]byte{
		catalog.Raw:   append(in[:510:510], append([]byte{0x55, 0xaa}, in[512:]...)...),
		catalog.Gzip:  tool(t, in, "gzip", "-1"),
		catalog.Zstd:  tool(t, in, "zstd", "-1"),
		catalog.XZ:    tool(t, in, "xz", "-0"),
		catalog.Bzip2: tool(t, in, "bzip2"),
		catalog.QCOW2: read(t, converted(t, in, "-c")),
	}
}

// Every format under the name of every other one.
func TestMisnamed(t *testing.T) {
	for is, img := range perFormat(t, content(300_000)) {
		for _, named := range catalog.Formats {
			for _, o := range []Options{{Name: "disk." + string(named)}, {Hint: named}} {
				_, err := decode(img, o)
				if is == named && err != nil {
					t.Errorf("%s: %v", is, err)
				}
				if is != named && !errors.Is(err, ErrFormat) {
					t.Errorf("%s given as %+v: %v", is, o, err)
				}
			}
		}
	}
}

// An image in another one is not unpacked twice, and an archive is none.
func TestPackedTwice(t *testing.T) {
	in := perFormat(t, content(300_000))
	in["tar"] = tool(t, nil, "tar", "-c", "/etc/hostname")
	in["zip"] = append([]byte("PK\x03\x04"), content(1000)...)
	for is, img := range in {
		for packed, twice := range perFormat(t, img) {
			got, err := decode(twice, Options{Hint: packed})
			if packed == catalog.Raw {
				continue
			}
			if is == catalog.Raw != (err == nil) || err != nil && (!errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "what is in it")) {
				t.Errorf("%s in %s: %d bytes, %v", is, packed, len(got), err)
			}
		}
	}
}

// A signature alone is no image.
func TestOnlyTheBeginning(t *testing.T) {
	for is, img := range perFormat(t, content(300_000)) {
		if is == catalog.Raw {
			continue
		}
		for _, n := range []int{4, 8, 16, 64} {
			if got, err := decode(img[:n], Options{Hint: is}); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) {
				t.Errorf("%s of %d bytes: %d bytes, %v", is, n, len(got), err)
			}
			bad := append(bytes.Clone(img[:n]), bytes.Repeat([]byte{0xa5}, 1<<20)...)
			if got, err := decode(bad, Options{Hint: is}); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) {
				t.Errorf("%s with noise after %d bytes: %d bytes, %v", is, n, len(got), err)
			}
		}
	}
}

// endless goes on for ever with what it is made of.
type endless struct {
	unit []byte
	at   int
	n    int64
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.unit[e.at:])
	e.at = (e.at + n) % len(e.unit)
	e.n += int64(n)
	return n, nil
}

// An image without an end gives pieces as long as somebody takes them, and ends with its reader.
func TestEndless(t *testing.T) {
	zeros := make([]byte, 8<<20)
	for is, unit := range perFormat(t, zeros) {
		if is == catalog.QCOW2 {
			continue // its header says where it ends
		}
		src := &endless{unit: unit}
		r, err := Open(src, Options{Hint: is})
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1<<20)
		for r.off < 100<<20 {
			p, err := r.Next(buf)
			if err != nil {
				t.Fatalf("%s: %v", is, err)
			}
			p.Release()
		}
		r.Close()
		if is != catalog.Raw && src.n > 10*int64(len(unit))+100<<10+bufferSize*3 {
			t.Errorf("%s: %d bytes were read ahead for 100 MiB of disk", is, src.n)
		}
	}
}

// Without checksums in it, a qcow2 shows damage only where a byte is needed: then it is an error,
// and where none is, the disk is right.
func TestQCOW2Damage(t *testing.T) {
	want := content(3 << 20)
	for _, options := range [][]string{nil, {"-c"}, {"-c", "-o", "compression_type=zstd"}} {
		img := read(t, converted(t, want, options...))
		for _, n := range []int{100, 512, 70_000, 200_000, 300_000, len(img) / 2, len(img) * 9 / 10} {
			cut := img[:n]
			for _, at := range []io.ReaderAt{nil, bytes.NewReader(cut)} {
				if got, err := decode(cut, Options{At: at}); !errors.Is(err, ErrCorrupt) {
					t.Errorf("%v cut to %d of %d: %d bytes, %v", options, n, len(img), len(got), err)
				}
			}
		}
		if got, err := decode(append(bytes.Clone(img), make([]byte, 70_000)...), Options{}); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v with room behind it: %d bytes, %v", options, len(got), err)
		}
		l1 := binary.BigEndian.Uint64(img[40:])
		l2 := binary.BigEndian.Uint64(img[l1:]) &^ (1 << 63)
		rng := rand.New(rand.NewPCG(2, 2))
		for i := range 60 {
			bad := bytes.Clone(img)
			table := l1
			if i%2 == 0 {
				table = l2 + 8*uint64(rng.IntN(48))
			}
			binary.BigEndian.PutUint64(bad[table:], rng.Uint64()|1<<9)
			_, err := decode(bad, Options{At: bytes.NewReader(bad)})
			if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) {
				t.Errorf("%v with another table: %v", options, err)
			}
		}
	}
}
