package diskimage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"bty/internal/catalog"
)

// qemuImg runs the maker of qcow2 files.
func qemuImg(t testing.TB, argv ...string) {
	t.Helper()
	if out, err := exec.Command("qemu-img", argv...).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img %s: %v: %s (apt-get install qemu-utils)", strings.Join(argv, " "), err, out)
	}
}

func qemuIO(t testing.TB, file string, commands ...string) {
	t.Helper()
	argv := []string{"-f", "qcow2"}
	for _, c := range commands {
		argv = append(argv, "-c", c)
	}
	if out, err := exec.Command("qemu-io", append(argv, file)...).CombinedOutput(); err != nil {
		t.Fatalf("qemu-io: %v: %s (apt-get install qemu-utils)", err, out)
	}
}

// converted makes a qcow2 of in.
func converted(t testing.TB, in []byte, options ...string) string {
	t.Helper()
	dir := t.TempDir()
	raw, img := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "disk.qcow2")
	if err := os.WriteFile(raw, in, 0o600); err != nil {
		t.Fatal(err)
	}
	qemuImg(t, append(append([]string{"convert", "-f", "raw", "-O", "qcow2"}, options...), raw, img)...)
	return img
}

func scattered(t testing.TB, size int64) string {
	img := filepath.Join(t.TempDir(), "disk.qcow2")
	qemuImg(t, "create", "-q", "-f", "qcow2", img, fmt.Sprint(size))
	var cmds []string
	for i, at := range rand.New(rand.NewPCG(3, 3)).Perm(int(size >> 20)) {
		cmds = append(cmds, fmt.Sprintf("write -q -P %d %d 1M", 1+i%255, int64(at)<<20))
	}
	qemuIO(t, img, cmds...)
	return img
}

// qcow2Files makes one of each kind that there is.
func qcow2Files(t testing.TB) map[string]string {
	want := content(5<<20 + 512)
	files := map[string]string{
		"scattered": scattered(t, 60<<20),
		"empty":     filepath.Join(t.TempDir(), "disk.qcow2"),
		"snapshots": converted(t, want),
		"metadata":  filepath.Join(t.TempDir(), "disk.qcow2"),
	}
	for name, options := range map[string][]string{
		"plain":             nil,
		"version 2":         {"-o", "compat=0.10"},
		"version 2 deflate": {"-c", "-o", "compat=0.10"},
		"deflate":           {"-c"},
		"zstd":              {"-c", "-o", "compression_type=zstd"},
		"512":               {"-o", "cluster_size=512"},
		"512 deflate":       {"-c", "-o", "cluster_size=512"},
		"2M":                {"-o", "cluster_size=2M"},
		"2M deflate":        {"-c", "-o", "cluster_size=2M"},
		"2M zstd":           {"-c", "-o", "cluster_size=2M,compression_type=zstd"},
		"full":              {"-o", "preallocation=full"},
		"lazy":              {"-o", "lazy_refcounts=on"},
		"refcount 1":        {"-o", "refcount_bits=1"},
	} {
		files[name] = converted(t, want, options...)
	}
	qemuImg(t, "create", "-q", "-f", "qcow2", files["empty"], "70M")
	qemuImg(t, "create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", files["metadata"], "20M")
	qemuIO(t, files["metadata"], "write -q -P 7 3M 70k", "write -q -z 8M 1M")
	qemuImg(t, "snapshot", "-c", "before", files["snapshots"])
	qemuIO(t, files["snapshots"], "write -q -P 9 1M 2M", "discard -q 3M 1M", "write -q -z 4M 100k")
	qemuImg(t, "snapshot", "-c", "after", files["snapshots"])
	qemuIO(t, files["snapshots"], "write -q -P 10 2M 1M")
	return files
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rawOf is what qemu-img makes of the file.
func rawOf(t testing.TB, file string) []byte {
	raw := file + ".raw"
	qemuImg(t, "convert", "-f", "qcow2", "-O", "raw", file, raw)
	return read(t, raw)
}

// counted counts the bytes that were fetched out of order.
type counted struct {
	io.ReaderAt
	n atomic.Int64
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.n.Add(int64(n))
	return n, err
}

func TestQCOW2(t *testing.T) {
	for name, file := range qcow2Files(t) {
		t.Run(name, func(t *testing.T) {
			want, img := rawOf(t, file), read(t, file)
			at := &counted{ReaderAt: bytes.NewReader(img)}
			got, err := decode(img, Options{Name: "a.qcow2", At: at})
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d of %d bytes, %v", len(got), len(want), err)
			}
			if name != "scattered" && at.n.Load() > 0 {
				t.Errorf("%d of %d bytes were transferred twice", at.n.Load(), len(img))
			}
			got, err = decode(img, Options{})
			switch {
			case name == "scattered":
				if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "not in order") {
					t.Errorf("scattered, from a pipe: %v", err)
				}
			case err != nil || !bytes.Equal(got, want):
				t.Errorf("from a pipe: %d of %d bytes, %v", len(got), len(want), err)
			}
			r, err := Open(bytes.NewReader(img), Options{At: at})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if r.AtLeast() != int64(len(want)) || (len(r.Notes()) > 0) != (name == "snapshots") {
				t.Errorf("at least %d, notes %q", r.AtLeast(), r.Notes())
			}
			if got, _, err = pieces(t, r, 0); !errors.Is(err, io.EOF) || !bytes.Equal(got, want) {
				t.Errorf("in pieces: %d of %d bytes, %v", len(got), len(want), err)
			}
		})
	}
}

// A terabyte of nothing costs nothing.
func TestQCOW2Hole(t *testing.T) {
	img := filepath.Join(t.TempDir(), "disk.qcow2")
	qemuImg(t, "create", "-q", "-f", "qcow2", img, "1T")
	qemuIO(t, img, "write -q -P 1 500G 1M")
	r, err := Open(bytes.NewReader(read(t, img)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var data, zeros int64
	for {
		p, err := r.Next(make([]byte, Grain))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, zeros = data+int64(len(p.Data)), zeros+p.Zeros
		p.Release()
	}
	if data != Grain+qcow2Chunk || data+zeros != 1<<40 { // the beginning is looked at
		t.Errorf("%d bytes of data and %d zeros", data, zeros)
	}
}

// patched returns a qcow2 with a number of its header changed.
func patched(img []byte, at int, v uint64, bytes int) []byte {
	out := append([]byte(nil), img...)
	b := binary.BigEndian.AppendUint64(nil, v)
	copy(out[at:], b[8-bytes:])
	return out
}

func TestQCOW2Refused(t *testing.T) {
	img := read(t, converted(t, content(3<<20)))
	dir := t.TempDir()
	make := func(name string, argv ...string) []byte {
		file := filepath.Join(dir, name)
		qemuImg(t, append(append([]string{"create", "-q", "-f", "qcow2"}, argv...), file, "3M")...)
		return read(t, file)
	}
	// With LUKS qemu-img first finds out how fast the processor is, which fails now and then.
	secret := []string{"--object", "secret,id=s,data=x", "-o", "encrypt.format=aes,encrypt.key-secret=s"}
	make("base")
	for name, tc := range map[string]struct {
		img  []byte
		kind error
		says string
	}{
		"backing file":  {make("top", "-F", "qcow2", "-b", filepath.Join(dir, "base")), ErrFormat, filepath.Join(dir, "base")},
		"aes":           {make("aes", secret...), ErrFormat, "encrypted"},
		"luks":          {patched(img, 32, 2, 4), ErrFormat, "encrypted"},
		"data file":     {make("ext", "-o", "data_file="+filepath.Join(dir, "data")), ErrFormat, "another file"},
		"extended L2":   {make("l2", "-o", "extended_l2=on"), ErrFormat, "extended_l2=off"},
		"version 1":     {patched(img, 4, 1, 4), ErrFormat, "version 1"},
		"version 4":     {patched(img, 4, 4, 4), ErrFormat, "version 4"},
		"dirty":         {patched(img, 72, qcow2Dirty, 8), ErrCorrupt, "check -r all"},
		"corrupt":       {patched(img, 72, qcow2Broken, 8), ErrCorrupt, "qemu-img check"},
		"future":        {patched(img, 72, 1<<40, 8), ErrFormat, "0x10000000000"},
		"compression 9": {patched(img, 104, 9, 1), ErrFormat, "(9)"},
		"8 EiB":         {patched(img, 24, 1<<63, 8), ErrCorrupt, "9223372036854775808"},
		"1 EiB":         {patched(img, 24, 1<<60, 8), ErrCorrupt, "more than its clusters"},
		"L1 too short":  {patched(img, 24, 1<<40, 8), ErrCorrupt, "the disk needs 2048"},
		"L1 too long":   {patched(img, 36, 1<<31, 4), ErrCorrupt, "2147483648 entries"},
		"L1 nowhere":    {patched(img, 40, 0, 8), ErrCorrupt, "L1 table"},
		"L1 far away":   {patched(img, 40, 1<<61, 8), ErrCorrupt, "truncated"},
		"L1 crooked":    {patched(img, 40, 12345, 8), ErrCorrupt, "at byte 12345"},
		"clusters 2^8":  {patched(img, 20, 8, 4), ErrCorrupt, "2^8"},
		"clusters 2^40": {patched(img, 20, 40, 4), ErrCorrupt, "2^40"},
		"header length": {patched(img, 100, 1<<31, 4), ErrCorrupt, "header has"},
	} {
		got, err := decode(tc.img, Options{Hint: catalog.QCOW2, At: bytes.NewReader(tc.img)})
		if !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) || len(got) > 0 {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// What was fetched out of order must be what the stream, which is hashed, has at that place.
func TestQCOW2TwoFaces(t *testing.T) {
	img := read(t, scattered(t, 60<<20))
	other := bytes.Clone(img)
	for i := 1 << 20; i < len(other); i += windowBlock {
		other[i] ^= 1
	}
	_, err := decode(img, Options{At: bytes.NewReader(other)})
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "two different contents") {
		t.Error(err)
	}
	mine := errors.New("the origin is gone")
	_, err = decode(img, Options{At: failingAt{mine}})
	if !errors.Is(err, mine) || errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

type failingAt struct{ err error }

func (f failingAt) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func FuzzQCOW2(f *testing.F) {
	small := content(20_000)
	for _, options := range [][]string{nil, {"-c"}, {"-c", "-o", "compression_type=zstd"}, {"-o", "cluster_size=512"}, {"-o", "compat=0.10"}} {
		f.Add(read(f, converted(f, small, options...)))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := Open(bytes.NewReader(in), Options{Hint: catalog.QCOW2, At: bytes.NewReader(in)})
		if err != nil {
			return
		}
		defer r.Close()
		buf := make([]byte, 1<<20)
		for n := int64(0); n < 256<<20; {
			p, err := r.Next(buf)
			if err != nil {
				return
			}
			n += p.Len()
			p.Release()
		}
	})
}
