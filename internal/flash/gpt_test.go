package flash

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bty/internal/disk"
	"bty/internal/disk/looptest"
)

// table makes a disk of n bytes with a GPT and something in its partitions.
func table(t testing.TB, n int) []byte {
	file := filepath.Join(t.TempDir(), "gpt")
	blank := picture(n, 11)
	clear(blank[:1*mib])
	if err := os.WriteFile(file, blank, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, nil, "sgdisk", "-o", "-n1:2048:4095", "-t1:ef00", "-n2:4096:0", file)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTableIsMoved(t *testing.T) {
	img := table(t, 10*mib)
	for _, size := range []int64{10 * mib, 10*mib + 512, 10*mib + 33*512, 12 * mib, 64*mib + 512, 3 << 30} {
		path, file := looptest.New(t, size, looptest.Options{})
		res, err := Run(t.Context(), Request{Source: serve(t, "a.img.zst", tool(t, img, "zstd", "-1")), Target: path}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if moved := len(res.Notes) > 0; moved != (size > 10*mib) {
			t.Errorf("disk of %d bytes: notes %q", size, res.Notes)
		}
		says := string(tool(t, nil, "sgdisk", "-v", file))
		if !strings.Contains(says, "No problems found") {
			t.Errorf("disk of %d bytes: sgdisk says %s", size, says)
		}
		if out := string(tool(t, nil, "sfdisk", "--verify", file)); strings.Contains(out, "mismatch") || strings.Contains(out, "corrupt") {
			t.Errorf("disk of %d bytes: sfdisk says %s", size, out)
		}
		got := make([]byte, len(img))
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.ReadAt(got, 0); err != nil {
			t.Fatal(err)
		}
		// Partitions begin and end where they did.
		if at := differ(got[2048*512:len(img)-33*512], img[2048*512:len(img)-33*512]); at >= 0 {
			t.Errorf("disk of %d bytes: partitions differ at %d", size, at)
		}
		sectors := uint32(min(size/512-1, 1<<32-1))
		if got := le32(got[446+12:]); got != sectors {
			t.Errorf("disk of %d bytes: the protective MBR says %d", size, got)
		}
	}
}

func le32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// An image whose unused end was cut off fits on a disk that its partitions fit on.
func TestTrimmedImage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gpt")
	if err := os.WriteFile(file, make([]byte, 40*mib), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, nil, "sgdisk", "-o", "-n1:2048:16383", file)
	b, _ := os.ReadFile(file)
	path, file := looptest.New(t, 10*mib, looptest.Options{})
	if _, err := Run(t.Context(), Request{Source: serve(t, "a.img", b[:8*mib]), Target: path}, nil); err != nil {
		t.Fatal(err)
	}
	if says := string(tool(t, nil, "sgdisk", "-v", file)); !strings.Contains(says, "No problems found") {
		t.Error(says)
	}
}

func TestDamagedTable(t *testing.T) {
	img := table(t, 10*mib)
	broken := bytes.Clone(img)
	broken[512+40] ^= 1
	path, file := looptest.New(t, 16*mib, looptest.Options{})
	res, err := Run(t.Context(), Request{Source: serve(t, "a.img", broken), Target: path}, nil)
	if err != nil || len(res.Notes) != 1 || !strings.Contains(res.Notes[0], "left as it is") && !strings.Contains(res.Notes[0], "damaged") {
		t.Errorf("damaged table: %q, %v", res.Notes, err)
	}
	got, _ := os.ReadFile(file)
	if at := differ(got[:len(broken)], broken); at >= 0 {
		t.Errorf("damaged table: the disk differs at %d", at)
	}
}

// largeTable is the head of an image with 4096 entries of each bytes, none of them used.
func largeTable(each int) []byte {
	le := binary.LittleEndian
	head := make([]byte, headSize)
	h := head[512 : 512+gptMinHeader]
	copy(h, "EFI PART")
	le.PutUint32(h[gptHeaderSize:], gptMinHeader)
	le.PutUint64(h[gptMyLBA:], 1)
	le.PutUint64(h[gptAlternate:], 40*mib/512-1)
	le.PutUint64(h[gptEntriesLBA:], 2)
	le.PutUint32(h[gptCount:], 4096)
	le.PutUint32(h[gptEntrySize:], uint32(each))
	le.PutUint32(h[gptEntriesCRC:], crc32.ChecksumIEEE(make([]byte, 4096*each)))
	le.PutUint32(h[gptHeaderCRC:], headerSum(h))
	return head
}

// The end of the disk that is kept back has room for a table of 1 MiB at most. One that is larger
// stays where it is, whole.
func TestLargeTableIsNotCut(t *testing.T) {
	for _, tc := range []struct {
		each  int
		size  int64
		moved bool
	}{
		{128, 64 * mib, true},
		{256, 64 * mib, false}, // 1 MiB, and its header
		{512, 64 * mib, false},
		{512, 4*mib + 512, true}, // head and tail adjoin
	} {
		head := largeTable(tc.each)
		if _, err := parseGPT(head, 512); err != nil {
			t.Fatal(err)
		}
		j := &job{disk: &disk.Target{Device: disk.Device{Size: tc.size, Logical: 512}}, edges: newEdges(tc.size)}
		j.edges.keep(head, 0)
		j.fitTable()
		unmoved := bytes.Equal(j.edges.head, head) && !j.edges.hasTail
		if len(j.res.Notes) != 1 || strings.Contains(j.res.Notes[0], "was moved") != tc.moved || unmoved == tc.moved {
			t.Errorf("entries of %d bytes, disk of %d: %q, unmoved %v", tc.each, tc.size, j.res.Notes, unmoved)
		}
	}
}

func FuzzGPT(f *testing.F) {
	img := table(f, 3*mib)
	f.Add(img[:64<<10], int64(8*mib))
	f.Add(img[:512], int64(8*mib))
	f.Add(append(make([]byte, 512), "EFI PART"...), int64(0))
	f.Fuzz(func(t *testing.T, head []byte, size int64) {
		for _, sector := range []int64{512, 4096} {
			g, err := parseGPT(head, sector)
			if err != nil {
				continue
			}
			if n := g.needs(); n > 0 && n <= size {
				g.grow(size)
				for _, p := range g.move(size) {
					if p.off < 0 || p.off+int64(len(p.bytes)) > size {
						t.Fatalf("writes %d bytes at %d of %d", len(p.bytes), p.off, size)
					}
				}
			}
			protect(head, size, sector)
		}
	})
}
