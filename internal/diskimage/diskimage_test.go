package diskimage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"bty/internal/catalog"

	"github.com/klauspost/compress/zstd"
)

// tool runs a compressor of the system, the real peer of every decoder.
func tool(t testing.TB, in []byte, argv ...string) []byte {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = bytes.NewReader(in)
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v: %s (apt-get install zstd gzip xz-utils bzip2)", strings.Join(argv, " "), err, &msg)
	}
	return out.Bytes()
}

// content looks like a disk: noise, text and holes.
func content(n int) []byte {
	b := make([]byte, n)
	rng, noise := rand.New(rand.NewPCG(7, uint64(n))), rand.NewChaCha8([32]byte{7})
	for at := 0; at < n; {
		end := min(n, at+1+rng.IntN(200_000))
		switch rng.IntN(3) {
		case 0:
			noise.Read(b[at:end])
		case 1:
			copy(b[at:end], bytes.Repeat([]byte("the image is the source of truth\n"), (end-at)/33+1))
		}
		at = end
	}
	return b
}

func frames(t testing.TB, in []byte, size int) []byte {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for len(in) > 0 {
		n := min(size, len(in))
		out = enc.EncodeAll(in[:n], out)
		in = in[n:]
	}
	return out
}

type made struct {
	name   string
	format catalog.Format
	make   func(t testing.TB, in []byte) []byte
}

func by(argv ...string) func(testing.TB, []byte) []byte {
	return func(t testing.TB, in []byte) []byte { return tool(t, in, argv...) }
}

// twice compresses two halves apart and joins them.
func twice(argv ...string) func(testing.TB, []byte) []byte {
	return func(t testing.TB, in []byte) []byte {
		h := len(in) / 2
		return append(tool(t, in[:h], argv...), tool(t, in[h:], argv...)...)
	}
}

func kinds() []made {
	skippable := []byte("\x53\x2a\x4d\x18\x03\x00\x00\x00abc")
	return []made{
		{"raw", catalog.Raw, func(_ testing.TB, in []byte) []byte { return in }},
		{"gzip", catalog.Gzip, by("gzip", "-1")},
		{"gzip members", catalog.Gzip, twice("gzip", "-6")},
		{"zstd", catalog.Zstd, by("zstd", "-3")},
		{"zstd without checksum", catalog.Zstd, by("zstd", "--no-check")},
		{"zstd long", catalog.Zstd, by("zstd", "--long=27")},
		{"zstd frames", catalog.Zstd, twice("zstd", "-1")},
		{"zstd small frames", catalog.Zstd, func(t testing.TB, in []byte) []byte { return frames(t, in, 300_000) }},
		{"zstd 4 MiB frames", catalog.Zstd, func(t testing.TB, in []byte) []byte { return frames(t, in, 4<<20) }},
		{"pzstd", catalog.Zstd, by("pzstd", "-p", "2", "-q", "-c")},
		{"zstd skippable", catalog.Zstd, func(t testing.TB, in []byte) []byte {
			return bytes.Join([][]byte{skippable, frames(t, in, 1<<20), skippable}, nil)
		}},
		{"zstd mixed frames", catalog.Zstd, func(t testing.TB, in []byte) []byte {
			h := len(in) / 3
			return bytes.Join([][]byte{frames(t, in[:h], 100_000), tool(t, in[h:2*h], "zstd"), frames(t, in[2*h:], 70_000)}, nil)
		}},
		{"xz", catalog.XZ, by("xz", "-0")},
		{"xz blocks", catalog.XZ, by("xz", "-0", "-T2", "--block-size=1MiB")},
		{"xz blocks without sizes", catalog.XZ, by("xz", "-0", "-T1", "--block-size=700KiB")},
		{"xz blocks of all sizes", catalog.XZ, by("xz", "-0", "-T2", "--block-list=1MiB,5KiB,512KiB,64KiB")},
		{"xz without checksum", catalog.XZ, by("xz", "-0", "-T2", "-C", "none", "--block-size=1MiB")},
		{"xz delta", catalog.XZ, by("xz", "-T2", "--block-size=1MiB", "--delta=dist=4", "--lzma2=preset=0,lc=0,lp=2,pb=1")},
		{"xz crc32", catalog.XZ, by("xz", "-0", "-C", "crc32")},
		{"xz sha256", catalog.XZ, by("xz", "-0", "-C", "sha256")},
		{"xz x86", catalog.XZ, by("xz", "--x86", "--lzma2=preset=0")},
		{"xz streams", catalog.XZ, twice("xz", "-0")},
		{"xz padded", catalog.XZ, func(t testing.TB, in []byte) []byte { return append(tool(t, in, "xz", "-0"), make([]byte, 8)...) }},
		{"bzip2", catalog.Bzip2, by("bzip2", "-9")},
		{"bzip2 small blocks", catalog.Bzip2, by("bzip2", "-1")},
		{"bzip2 streams", catalog.Bzip2, twice("bzip2", "-1")},
	}
}

// sample is content(n) as k, made once.
func sample(t testing.TB, k made, n int) []byte {
	t.Helper()
	key := fmt.Sprint(k.name, n)
	if b, ok := samples.Load(key); ok {
		return b.([]byte)
	}
	b := k.make(t, content(n))
	samples.Store(key, b)
	return b
}

var samples sync.Map

func decode(in []byte, o Options) ([]byte, error) {
	r, err := Open(bytes.NewReader(in), o)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out bytes.Buffer
	_, err = io.CopyBuffer(&out, struct{ io.Reader }{r}, make([]byte, 1<<20))
	return out.Bytes(), err
}

func TestFormats(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{1, 511, 131072, 131073, 5_000_001, 18 << 20} {
				if size > 6_000_000 && (k.format == catalog.XZ || k.format == catalog.Bzip2) {
					continue
				}
				want := content(size)
				got, err := decode(k.make(t, want), Options{Hint: k.format})
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("size %d: %d bytes, %v", size, len(got), err)
				}
			}
		})
	}
}

// Every way to shorten or to lengthen an image is an error, whatever came out before.
func TestDamage(t *testing.T) {
	want := content(400_000)
	for _, k := range kinds() {
		if k.format == catalog.Raw {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			whole := k.make(t, want)
			cuts := []int{1, 3, 5, 9, len(whole) / 3, len(whole) - 1000, len(whole) - 9, len(whole) - 4, len(whole) - 1}
			for _, n := range cuts {
				if k.name == "xz padded" && n == len(whole)-4 {
					continue // four zero bytes less are padding, too
				}
				got, err := decode(whole[:n], Options{Hint: k.format})
				if err == nil {
					t.Errorf("cut to %d of %d bytes: no error, %d bytes out", n, len(whole), len(got))
				} else if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) {
					t.Errorf("cut to %d: %v", n, err)
				}
			}
			for _, tail := range []string{"x", "garbage behind the image", "\x1f\x8bno", "BZ", strings.Repeat("z", 100_000)} {
				if _, err := decode(append(bytes.Clone(whole), tail...), Options{Hint: k.format}); !errors.Is(err, ErrCorrupt) {
					t.Errorf("with %.20q behind it: %v", tail, err)
				}
			}
			if strings.Contains(k.name, "without checksum") {
				return
			}
			rng := rand.New(rand.NewPCG(1, 1))
			for range 40 {
				bad := bytes.Clone(whole)
				at := rng.IntN(len(bad))
				bad[at] ^= 1 << rng.IntN(8)
				got, err := decode(bad, Options{Hint: k.format})
				if err == nil && !bytes.Equal(got, want) {
					t.Errorf("bit flipped at %d of %d: other bytes and no error", at, len(bad))
				}
			}
		})
	}
}

func TestSourceErrorIsPassedOn(t *testing.T) {
	mine := errors.New("the origin is gone")
	for _, k := range kinds() {
		whole := sample(t, k, 3_000_000)
		src := io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), iotest.ErrReader(mine))
		r, err := Open(src, Options{Hint: k.format})
		if err == nil {
			_, err = io.Copy(io.Discard, r)
			r.Close()
		}
		if !errors.Is(err, mine) || errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", k.name, err)
		}
	}
}

func TestCloseEndsGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, k := range kinds() {
		r, err := Open(bytes.NewReader(sample(t, k, 3_000_000)), Options{Hint: k.format})
		if err != nil {
			t.Fatal(err)
		}
		io.CopyN(io.Discard, r, 1000)
		r.Close()
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

func TestAtLeast(t *testing.T) {
	in := content(40 << 20)
	for name, tc := range map[string]struct {
		img  []byte
		o    Options
		want int64
	}{
		"raw":            {in, Options{Hint: catalog.Raw, Size: 40 << 20}, 40 << 20},
		"raw, no length": {in, Options{Hint: catalog.Raw, Size: -1}, 0},
		"zstd":           {tool(t, in, "zstd", "-1", "--stream-size=41943040"), Options{}, 40 << 20},
		"zstd frames":    {frames(t, in, 1<<20), Options{}, 1 << 20},
		"gzip":           {tool(t, in[:1000], "gzip"), Options{}, 0},
	} {
		r, err := Open(bytes.NewReader(tc.img), tc.o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.AtLeast() != tc.want {
			t.Errorf("%s: at least %d, want %d", name, r.AtLeast(), tc.want)
		}
		r.Close()
	}
}

func TestDetect(t *testing.T) {
	boot := make([]byte, 512)
	boot[510], boot[511] = 0x55, 0xaa
	gz, raw := []byte("\x1f\x8b\x08rest"), []byte("anything")
	for i, tc := range []struct {
		name string
		hint catalog.Format
		head []byte
		want catalog.Format
		says []string
	}{
		{"a.img.gz", "", gz, catalog.Gzip, nil},
		{"blob", catalog.Gzip, gz, catalog.Gzip, nil},
		{"blob", "", gz, catalog.Gzip, nil},
		{"a.img", "", raw, catalog.Raw, nil},
		{"blob", catalog.Raw, raw, catalog.Raw, nil},
		{"blob", "", boot, catalog.Raw, nil},
		{"A.IMG.GZ", catalog.Zstd, gz, catalog.Gzip, nil}, // one of two claims is right
		{"a.qcow2", "", []byte("QFI\xfb"), catalog.QCOW2, nil},
		{"a.img.zst", "", []byte("\x5a\x2a\x4d\x18"), catalog.Zstd, nil},

		{"a.img", "", gz, "", []string{"content is gzip", `"a.img" says img`}},
		{"a.img.xz", catalog.XZ, gz, "", []string{"content is gzip", "img.xz"}},
		{"blob", catalog.Zstd, raw, "", []string{"no signature", "declared format is img.zst"}},
		{"a.img", "", []byte("QFI\xfb"), "", []string{"qcow2"}},
		{"blob", "", raw, "", []string{"neither the name"}},
		{"a.tar.gz", "", gz, "", []string{"archive"}},
		{"a.img", "", []byte("<!DOCTYPE html>"), "", []string{"a web page"}},
		{"a.img", "", append(make([]byte, 257), "ustar"...), "", []string{"a tar archive"}},
		{"a.img", "", []byte("PK\x03\x04"), "", []string{"a zip archive"}},
	} {
		got, err := Detect(tc.name, tc.hint, tc.head)
		if got != tc.want || (err == nil) != (tc.says == nil) {
			t.Errorf("%d: %q, %v; want %q", i, got, err, tc.want)
		}
		for _, s := range tc.says {
			if !strings.Contains(fmt.Sprint(err), s) || !errors.Is(err, ErrFormat) {
				t.Errorf("%d: %v does not say %q", i, err, s)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		in   []byte
		says string
	}{
		"empty":       {nil, "empty"},
		"qcow2":       {[]byte("QFI\xfb\x00\x00\x00\x03"), "qcow2 header has 0 bytes"},
		"zstd window": {tool(t, content(1000), "zstd", "-1", "--long=28"), "--long=27"},
	} {
		if _, err := decode(tc.in, Options{}); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDetect(f *testing.F) {
	for _, m := range magics() {
		f.Add("disk.img", string(m.format), append(make([]byte, m.at), m.bytes...))
	}
	f.Fuzz(func(t *testing.T, name, hint string, head []byte) {
		got, err := Detect(name, catalog.Format(hint), head)
		if (err == nil) != (got != "") {
			t.Fatalf("%q and %v", got, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	small := content(3000)
	for _, k := range kinds() {
		f.Add(k.make(f, small))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := Open(bytes.NewReader(in), Options{})
		if err != nil {
			return
		}
		defer r.Close()
		io.Copy(io.Discard, io.LimitReader(r, 64<<20))
	})
}
