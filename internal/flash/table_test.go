package flash

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bty/internal/disk/looptest"
)

// partitioned is what sfdisk makes of a blank disk of n bytes with blocks of sector bytes.
func partitioned(t testing.TB, n int64, sector int, script string) []byte {
	t.Helper()
	path, file := looptest.New(t, n, looptest.Options{BlockSize: sector})
	tool(t, []byte(script), "sfdisk", "-q", path)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ends says where each partition of a disk begins and ends, in blocks, as sfdisk sees it.
func ends(t *testing.T, path string) (parts []string) {
	t.Helper()
	dump := string(tool(t, nil, "sfdisk", "-d", path))
	for _, m := range regexp.MustCompile(`start= *(\d+), size= *(\d+)`).FindAllStringSubmatch(dump, -1) {
		var start, size int64
		fmt.Sscan(m[1], &start)
		fmt.Sscan(m[2], &size)
		parts = append(parts, fmt.Sprintf("%d-%d", start, start+size-1))
	}
	return parts
}

// The last partition is the one that ends last, whatever its number.
func TestGrow(t *testing.T) {
	const none = "label: gpt\n"
	const gpt = none + "1 : start=2048, size=2048\n3 : start=4096, size=4096\n2 : start=8192, size=4096\n"
	const gpt4 = none + "1 : start=256, size=256\n2 : start=512, size=512\n"
	const full = none + "1 : start=2048, size=18399\n"
	const primary = "label: dos\n1 : start=2048, size=2048, type=c, bootable\n2 : start=8192, size=2048, type=83\n3 : start=4096, size=2048, type=83\n"
	const extended = "label: dos\n1 : start=2048, size=2048, type=83\n2 : start=4096, size=8192, type=5\n5 : start=6144, size=2048, type=83\n"
	// As Debian's installers are: all of the image, of no kind, and in it what UEFI starts.
	hybrid := partitioned(t, 10*mib, 512, "label: dos\n1 : start=64, size=20416, type=83, bootable\n")
	binary.LittleEndian.PutUint32(hybrid[mbrTable+mbrFirst:], 0)
	hybrid[mbrTable+mbrKind] = 0
	copy(hybrid[mbrTable+mbrEntry:], []byte{0, 0xfe, 0xff, 0xff, 0xef, 0xfe, 0xff, 0xff, 0, 16, 0, 0, 0, 16, 0, 0})
	for name, tc := range map[string]struct {
		image  []byte
		disk   int64
		sector int
		last   string // where the last partition is then
		grown  int64
		notes  string
	}{
		"GPT":                     {partitioned(t, 10*mib, 512, gpt), 64 * mib, 512, "8192-131038", (131038 - 12287) * 512, "grown by 58M"},
		"GPT, disk of that size":  {partitioned(t, 10*mib, 512, gpt), 10 * mib, 512, "8192-20446", (20446 - 12287) * 512, "grown by 4M"},
		"GPT, blocks of 4096":     {partitioned(t, 10*mib, 4096, gpt4), 64*mib + 4096, 4096, "512-16379", (16379 - 1023) * 4096, "grown by 60M"},
		"GPT, larger than an MBR": {partitioned(t, 10*mib, 512, gpt), 3 << 40, 512, fmt.Sprintf("8192-%d", int64(3<<40)/512-34), 3<<40 - 33*512 - 12288*512, "grown by 3T"},
		"MBR":                     {partitioned(t, 10*mib, 512, primary), 64*mib + 512, 512, "8192-131072", (131072 - 10239) * 512, "grown by 59M"},
		"MBR, its limit":          {partitioned(t, 10*mib, 512, primary), 3 << 40, 512, fmt.Sprintf("8192-%d", int64(8192+1<<32-2)), (1<<32 - 1 - 2048) * 512, "grown by 2T"},
		"MBR, extended":           {partitioned(t, 10*mib, 512, extended), 64 * mib, 512, "6144-8191", 0, "extended partition"},
		"GPT without partitions":  {partitioned(t, 10*mib, 512, none), 64 * mib, 512, "", 0, "has none"},
		"isohybrid":               {hybrid, 64 * mib, 512, "", 0, "has none"},
		"nothing":                 {picture(10*mib, 3)[1:], 64 * mib, 512, "", 0, "has none"},
		"GPT that is full":        {partitioned(t, 10*mib, 512, full), 10 * mib, 512, "2048-20446", 0, "ends with the disk already"},
	} {
		t.Run(name, func(t *testing.T) {
			path, file := looptest.New(t, tc.disk, looptest.Options{BlockSize: tc.sector})
			res, err := Run(t.Context(), Request{Source: serve(t, "a.img.zst", tool(t, tc.image, "zstd", "-1")), Target: path, Grow: true, Verify: true}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.Grown != tc.grown || !strings.Contains(strings.Join(res.Notes, "; "), tc.notes) {
				t.Errorf("grown by %d, want %d; notes %q", res.Grown, tc.grown, res.Notes)
			}
			if tc.last == "" {
				return
			}
			if got := strings.Join(ends(t, path), " "); !strings.Contains(got, tc.last) {
				t.Errorf("partitions %s, want one at %s", got, tc.last)
			}
			sound(t, path, file)
		})
	}
}

// sound asks the tools what they think of the disk.
func sound(t *testing.T, path, file string) {
	t.Helper()
	b := make([]byte, 520)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.ReadAt(b, 0)
	if says := string(tool(t, nil, "sfdisk", "--verify", path)); !strings.Contains(says, "No errors detected") {
		t.Errorf("sfdisk says %s", says)
	}
	if len(parseMBR(b)) > 0 && isProtective(b) {
		if says := string(tool(t, nil, "sgdisk", "-v", path)); !strings.Contains(says, "No problems found") {
			t.Errorf("sgdisk says %s", says)
		}
	}
}

// formatted makes an ext4 in what is an image, from a byte on.
func formatted(t *testing.T, img []byte, at int64) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(file, img, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, nil, "mke2fs", "-q", "-t", "ext4", "-F", "-E", fmt.Sprintf("offset=%d", at), file, "1M")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A boot record does not say what it counts in; what it leads to does.
func TestBootRecordOf4096(t *testing.T) {
	const script = "label: dos\n1 : start=256, size=512, type=83\n"
	blank := partitioned(t, 10*mib, 4096, script)
	late := partitioned(t, 50*mib, 4096, "label: dos\n1 : start=4096, size=512, type=83\n2 : start=10240, size=512, type=83\n")
	// Within the first partition, where the second would begin in blocks of 512, is a file system.
	two := partitioned(t, 50*mib, 4096, "label: dos\n1 : start=1024, size=8192, type=83\n2 : start=9216, size=512, type=83\n")
	two = formatted(t, two, 9216*512)
	copy(two[1024*4096:], two[9216*512:9216*512+(256<<10)])
	for name, img := range map[string][]byte{
		"made for such disks": formatted(t, blank, 256*4096), "blank": blank,
		"late": formatted(t, late, 4096*4096), "later": formatted(t, late, 10240*4096), "late and blank": late,
		"two": two, "ended while it is held": partitioned(t, 20*mib, 4096, "label: dos\n1 : start=4096, size=512, type=83\n")[:18*mib+512],
	} {
		path, file := used(t, 64*mib, looptest.Options{BlockSize: 4096})
		if _, err := Run(t.Context(), Request{Source: serve(t, "a.img", img), Target: path}, nil); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		holds(t, file, append(img, make([]byte, -len(img)&4095)...))
	}
}

// What the table says is compared with the disk before the disk is touched.
func TestTableOfAnotherDisk(t *testing.T) {
	big := "label: dos\n1 : start=2048, size=32768, type=83\n"
	small := partitioned(t, 10*mib, 512, "label: dos\n1 : start=2048, size=2048, type=83\n")
	for name, tc := range map[string]struct {
		image  []byte
		sector int
		kind   error
		says   string
	}{
		"GPT of 512 on 4096": {table(t, 10*mib), 4096, ErrImage, "blocks of 512 bytes, /dev/loop"},
		"GPT of 4096 on 512": {partitioned(t, 10*mib, 4096, "label: gpt\n1 : start=256, size=256\n"), 512, ErrImage, "blocks of 4096 bytes, /dev/loop"},
		"MBR of 512 on 4096": {formatted(t, small, 2048*512), 4096, ErrImage, "blocks of 512 bytes, /dev/loop"},
		"GPT too large":      {table(t, 40*mib)[:10*mib], 512, ErrTooLarge, "needs 40M"},
		"MBR too large":      {partitioned(t, 40*mib, 512, big)[:10*mib], 512, ErrTooLarge, "needs 17M"},
	} {
		t.Run(name, func(t *testing.T) {
			path, file := used(t, 16*mib, looptest.Options{BlockSize: tc.sector})
			e := fails(t, errOf(Run(t.Context(), Request{Source: serve(t, "a.img", tc.image), Target: path}, nil)), tc.kind, tc.says)
			untouched(t, file)
			if e.Touched || !strings.Contains(e.Error(), "nothing was written") {
				t.Errorf("touched %v: %v", e.Touched, e)
			}
		})
	}
}

// Partitions that begin behind what is kept of every image: it is read on before the disk is touched, as far as
// memory goes, and its length tells something, too.
func TestLatePartitionsOf512(t *testing.T) {
	at := func(mibs int) []byte {
		return partitioned(t, 50*mib, 512, fmt.Sprintf("label: dos\n1 : start=%d, size=4096, type=83\n", mibs*2048))
	}
	// Where the length tells nothing.
	behind := append(at(4), make([]byte, 20*mib)...)
	for name, img := range map[string][]byte{
		"4 MiB": formatted(t, behind, 4*mib), "16 MiB": formatted(t, append(at(16), make([]byte, 100*mib)...), 16*mib), "32 MiB, blank": at(32), "44 MiB, blank": at(44),
		"44 MiB": formatted(t, at(44), 44*mib),
	} {
		t.Run(name, func(t *testing.T) {
			path, file := looptest.New(t, 1<<30, looptest.Options{BlockSize: 4096})
			before, after := bytes.Repeat([]byte{oldByte}, headSize), make([]byte, headSize)
			if err := os.WriteFile(file, before, 0); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(file, 1<<30); err != nil {
				t.Fatal(err)
			}
			e := fails(t, errOf(Run(t.Context(), Request{Source: serve(t, "a.img", img), Target: path}, nil)), ErrImage, "blocks of 512 bytes, /dev/loop")
			readAt(t, file, after)
			if e.Touched || !bytes.Equal(after, before) {
				t.Errorf("touched %v, %v", e.Touched, e)
			}
		})
	}
}

func readAt(t *testing.T, file string, p []byte) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(p, 0); err != nil {
		t.Fatal(err)
	}
}

// What is seen only while the disk is written leaves it unbootable.
func TestLatePartitionsSeenUnderway(t *testing.T) {
	late := partitioned(t, 50*mib, 512, fmt.Sprintf("label: dos\n1 : start=%d, size=4096, type=83\n", 44*2048))
	long := append(formatted(t, late, 44*mib), make([]byte, 400*mib)...)
	for name, tc := range map[string]struct {
		image []byte
		most  int64 // that is written
	}{
		"its file system":            {long, 360 * mib},
		"its file system at the end": {long[:50*mib], 50 * mib},
		"its length":                 {late, 50 * mib},
	} {
		t.Run(name, func(t *testing.T) {
			path, file := looptest.New(t, 1<<30, looptest.Options{BlockSize: 4096})
			res, err := Run(t.Context(), Request{Source: serve(t, "a.img.zst", independent(t, tc.image, mib)), Target: path}, nil)
			e := fails(t, err, ErrImage, "blocks of 512 bytes, /dev/loop")
			if !e.Touched || res.Written > tc.most || !strings.Contains(e.Error(), "will not boot") {
				t.Errorf("touched %v, %d bytes written: %v", e.Touched, res.Written, e)
			}
			head := make([]byte, headSize)
			if readAt(t, file, head); !bytes.Equal(head, make([]byte, headSize)) {
				t.Error("the disk has a beginning")
			}
		})
	}
}
