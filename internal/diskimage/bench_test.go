package diskimage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"bty/internal/directio"

	"golang.org/x/sys/unix"
)

const benchSize = 256 << 20

// BenchmarkDecode decodes a disk of files of /usr, 40 % of it zeros, with one core and with two,
// beside the tool that does the same. It reports MB/s of what comes out, the ratio of the times, and
// the processor time of one run, which says something on a machine with other work, too:
//
//	go test -run '^$' -bench Decode -benchtime 3x ./internal/diskimage
//
// BTY_BENCH_DIR names another folder than /dev/shm.
func BenchmarkDecode(b *testing.B) {
	dir := benchFolder(b)
	raw := filepath.Join(dir, "disk.img")
	if err := os.WriteFile(raw, benchDisk(b), 0o600); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct{ name, make, tool string }{
		{"gz", "gzip -c RAW", "gzip -dc"},
		{"zst", "zstd -q -T0 -3 -c RAW", "zstd -qdc"},
		{"zst-frames", "split -b 4M --filter='zstd -q -3 -c' RAW", "zstd -qdc"},
		{"zst-frames-unsized", "split -b 4M --filter='zstd -q -3 --no-content-size -c' RAW", "zstd -qdc"},
		{"xz", "xz -T2 -1 -c RAW", "xz -T2 -dc"},
		{"xz-one-block", "xz -T1 -1 -c RAW", "xz -T1 -dc"},
		{"bz2", "bzip2 -c RAW", "bzip2 -dc"},
		{"qcow2", "qemu-img convert -O qcow2 RAW OUT", "qemu-img convert -O raw"},
		{"qcow2-deflate", "qemu-img convert -c -O qcow2 RAW OUT", "qemu-img convert -O raw"},
		{"qcow2-zstd", "qemu-img convert -c -o compression_type=zstd -O qcow2 RAW OUT", "qemu-img convert -O raw"},
	} {
		img := filepath.Join(dir, "image")
		fill := strings.NewReplacer("RAW", raw, "OUT", img)
		made := false
		for _, cores := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/cores=%d", c.name, cores), func(b *testing.B) {
				if !made {
					script := fill.Replace(c.make)
					if !strings.Contains(c.make, "OUT") {
						script += " >" + img
					}
					benchShell(b, script)
					made = true
				}
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
				var ours, theirs, cpu, toolCPU time.Duration
				for b.Loop() {
					start, used := time.Now(), benchCPU(unix.RUSAGE_SELF)
					benchDecode(b, img)
					ours += time.Since(start)
					cpu += benchCPU(unix.RUSAGE_SELF) - used
					to := " >/dev/null"
					if strings.Contains(c.tool, "qemu-img") {
						to = " " + filepath.Join(dir, "out")
					}
					start, used = time.Now(), benchCPU(unix.RUSAGE_CHILDREN)
					benchShell(b, fmt.Sprintf("taskset -c 0-%d %s %s%s", cores-1, c.tool, img, to))
					theirs += time.Since(start)
					toolCPU += benchCPU(unix.RUSAGE_CHILDREN) - used
				}
				mb := float64(benchSize) * float64(b.N) / 1e6
				b.ReportMetric(mb/ours.Seconds(), "MB/s")
				b.ReportMetric(mb/theirs.Seconds(), "tool-MB/s")
				b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
				b.ReportMetric(cpu.Seconds()/float64(b.N), "cpu-s")
				b.ReportMetric(toolCPU.Seconds()/float64(b.N), "tool-cpu-s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func benchDecode(b *testing.B, img string) {
	f, err := os.Open(img)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	r, err := Open(f, Options{At: f})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	buf := directio.Buffer(4 << 20)
	for n := int64(0); ; {
		p, err := r.Next(buf)
		if errors.Is(err, io.EOF) && n == benchSize {
			return
		}
		if err != nil {
			b.Fatalf("%v after %d bytes", err, n)
		}
		n += p.Len()
		p.Release()
	}
}

// benchCPU is the processor time that was used so far; other work on the machine does not count.
func benchCPU(who int) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(who, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchFolder(b *testing.B) string {
	dir := os.Getenv("BTY_BENCH_DIR")
	if dir == "" {
		dir = "/dev/shm"
	}
	dir, err := os.MkdirTemp(dir, "bty-bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// benchDisk is runs of files and of zeros.
func benchDisk(b *testing.B) []byte {
	disk := make([]byte, benchSize)
	at, files := 0, 0
	filepath.WalkDir("/usr", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || at >= benchSize {
			return nil
		}
		f, err := os.Open(p)
		if err != nil {
			return nil
		}
		defer f.Close()
		n, _ := io.ReadFull(f, disk[at:])
		at, files = at+n, files+n
		if hole := at / 5 * 2; files%7 == 0 { // now and then catch up with the zeros
			at = max(at, files+hole)
		}
		return nil
	})
	if at < benchSize {
		b.Fatalf("/usr of this machine has %d MiB of files only", files>>20)
	}
	return disk
}

func benchShell(b *testing.B, script string) {
	b.Helper()
	if out, err := exec.Command("bash", "-c", "set -o pipefail; "+script).CombinedOutput(); err != nil {
		b.Fatalf("%s: %v: %s (apt-get install zstd gzip xz-utils bzip2 qemu-utils util-linux)", script, err, out)
	}
}
