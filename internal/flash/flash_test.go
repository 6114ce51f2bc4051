package flash

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bty/internal/catalog"
	"bty/internal/disk/looptest"
	"bty/internal/origin"
)

// Every format as the real tools write it, to a real disk, over real HTTP.
func TestFormats(t *testing.T) {
	img := picture(11*mib+512, 1)
	half := len(img) / 2
	for _, tc := range []struct {
		name   string
		format catalog.Format
		bytes  []byte
	}{
		{"a.img", catalog.Raw, img},
		{"a.img.gz", catalog.Gzip, tool(t, img, "gzip", "-1")},
		{"members.img.gz", catalog.Gzip, append(tool(t, img[:half], "gzip", "-1"), tool(t, img[half:], "gzip", "-9")...)},
		{"a.img.zst", catalog.Zstd, tool(t, img, "zstd", "-1")},
		{"known.img.zst", catalog.Zstd, tool(t, img, "zstd", "-1", fmt.Sprintf("--stream-size=%d", len(img)))},
		{"frames.img.zst", catalog.Zstd, append(tool(t, img[:half], "zstd"), tool(t, img[half:], "zstd", "--no-check")...)},
		{"independent.img.zst", catalog.Zstd, independent(t, img, mib)},
		{"a.img.xz", catalog.XZ, tool(t, img, "xz", "-0")},
		{"streams.img.xz", catalog.XZ, append(tool(t, img[:half], "xz", "-0"), tool(t, img[half:], "xz", "-0", "-C", "sha256")...)},
		{"a.img.bz2", catalog.Bzip2, tool(t, img, "bzip2", "-1")},
		{"streams.img.bz2", catalog.Bzip2, append(tool(t, img[:half], "bzip2", "-9"), tool(t, img[half:], "bzip2", "-1")...)},
		{"blob", catalog.Zstd, tool(t, img, "zstd", "-1")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			path, file := used(t, 16*mib, looptest.Options{})
			res, err := Run(t.Context(), Request{
				Source: serve(t, tc.name, tc.bytes), Format: tc.format, Digest: digest(tc.bytes), Size: int64(len(tc.bytes)), Target: path,
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			holds(t, file, img)
			if res.Written != int64(len(img)) || res.Transferred != int64(len(tc.bytes)) || res.Digest != digest(tc.bytes) ||
				!res.Verified || res.Format != tc.format || res.Disk.Path != path || res.Retries != 0 {
				t.Errorf("%+v", res)
			}
		})
	}
}

// Sizes around every boundary: block, granule, head, chunk, tail, disk.
func TestSizes(t *testing.T) {
	const size = 13*mib + 512
	path, file := used(t, size, looptest.Options{})
	img := picture(size, 2)
	for _, around := range []int{512, 4096, granule, headSize, headSize + granule, 2 * chunkSize, 3 * chunkSize, size - tailSize, size} {
		for _, d := range []int{-513, -512, -511, -1, 0, 1, 511, 512} {
			n := around + d
			if n < 1 || n > size {
				continue
			}
			refill(t, file)
			res, err := Run(t.Context(), Request{Source: serve(t, "a.img", img[:n]), Target: path}, nil)
			if err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			holds(t, file, img[:n])
			if padded := n%512 != 0; padded != (len(res.Notes) == 1 && strings.Contains(res.Notes[0], "filled up")) {
				t.Errorf("%d bytes: notes %q", n, res.Notes)
			}
		}
	}
}

func refill(t *testing.T, file string) {
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, bytes.Repeat([]byte{oldByte}, int(info.Size())), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Disks smaller than what is kept back of them.
func TestTinyDisks(t *testing.T) {
	for _, size := range []int{512, 4096, 65536 + 512, mib, headSize - 512, headSize, headSize + 512, headSize + tailSize, headSize + tailSize + 512} {
		path, file := used(t, int64(size), looptest.Options{})
		img := picture(size, 3)
		if _, err := Run(t.Context(), Request{Source: serve(t, "a.img", img), Target: path}, nil); err != nil {
			t.Fatalf("disk of %d bytes: %v", size, err)
		}
		holds(t, file, img)
		_, err := Run(t.Context(), Request{Source: serve(t, "a.img.gz", tool(t, append(img, 1), "gzip", "-1")), Target: path}, nil)
		fails(t, err, ErrTooLarge, fmt.Sprintf("and %d bytes", size))
		unbootable(t, file)
	}
}

func TestLargeBlocks(t *testing.T) {
	for _, block := range []int{4096, 16384} {
		path, file := used(t, 16*mib, looptest.Options{BlockSize: block})
		img := picture(9*mib+512, 4)
		res, err := Run(t.Context(), Request{Source: serve(t, "a.img", img), Target: path, Verify: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		padded := append(bytes.Clone(img), make([]byte, block-len(img)%block)...)
		holds(t, file, padded)
		if len(res.Notes) != 1 {
			t.Errorf("blocks of %d: notes %q", block, res.Notes)
		}
	}
}

func TestFileAndStdin(t *testing.T) {
	img := picture(6*mib, 5)
	name := filepath.Join(t.TempDir(), "disk.img.zst")
	if err := os.WriteFile(name, tool(t, img, "zstd", "-1"), 0o600); err != nil {
		t.Fatal(err)
	}
	path, file := used(t, 8*mib, looptest.Options{})
	if _, err := Run(t.Context(), Request{Source: name, Target: path}, nil); err != nil {
		t.Fatal(err)
	}
	holds(t, file, img)
	refill(t, file)
	_, err := Run(t.Context(), Request{Source: "-", Format: catalog.Raw, Origin: origin.Options{Stdin: bytes.NewReader(img)}, Target: path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, file, img)
}

func TestZerosAreNotSent(t *testing.T) {
	img := make([]byte, 64*mib)
	copy(img, picture(5*mib, 6))
	copy(img[40*mib:], picture(2*mib, 7))
	path, file := used(t, 65*mib, looptest.Options{})
	res, err := Run(t.Context(), Request{Source: serve(t, "a.img.zst", tool(t, img, "zstd", "-1")), Target: path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, file, img)
	if res.Zeros < 50*mib {
		t.Errorf("only %d bytes were zeroed by the disk", res.Zeros)
	}
}

func TestProgress(t *testing.T) {
	img := picture(9*mib, 8)
	path, _ := used(t, 16*mib, looptest.Options{})
	var stages []string
	var last Progress
	_, err := Run(t.Context(), Request{Source: serve(t, "a.img", img), Target: path}, func(p Progress) {
		if p.Bytes < last.Bytes || p.Rate < 0 {
			t.Errorf("%+v after %+v", p, last)
		}
		if p.Stage != last.Stage {
			stages = append(stages, p.Stage)
		}
		last = p
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(stages, []string{StageOpen, StageWrite, StageSync, StageTable}) {
		t.Errorf("stages %q", stages)
	}
	if last.Bytes != int64(len(img)) || last.Total != int64(len(img)) {
		t.Errorf("at the end %+v", last)
	}
}
