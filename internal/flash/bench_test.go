package flash

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"bty/internal/disk/looptest"

	"golang.org/x/sys/unix"
)

// BenchmarkFlash puts a 2 GiB image with real files on a loop device, in turns by this package
// (in a process of its own, for its memory) and by the shell pipeline that does the same work:
//
//	curl | tee >(sha256sum) | DECODER | dd iflag=fullblock bs=4M conv=fsync
//
// It reports the medians of both, of their ratio, and the peak memory. The disk is a file in
// memory, so that what is compared is the work and not one machine's storage:
//
//	go test -run '^$' -bench Flash -benchtime 5x ./internal/flash
//
// BTY_BENCH_DIR names another folder for image and disk; BTY_BENCH_CPUPROFILE a file for a
// profile of the last flash.
func BenchmarkFlash(b *testing.B) {
	dir := benchDir(b)
	raw := benchImage(b, dir)
	path, file := looptest.New(b, benchSize, looptest.Options{File: filepath.Join(dir, "disk")})
	for _, c := range []struct{ name, suffix, decoder, make string }{
		{"zst", ".zst", "zstd -dc", "zstd -q -T0 -3 -f -o %s %s"},
		{"zst-frames", ".frames.zst", "zstd -dc", ""},
		{"gz", ".gz", "gzip -dc", "gzip -c %[2]s >%[1]s"},
		{"raw", "", "cat", ""},
		{"xz", ".xz", "xz -dc", "xz -T0 -1 -c %[2]s >%[1]s"},
		{"bz2", ".bz2", "bzip2 -dc", "bzip2 -c %[2]s >%[1]s"},
	} {
		b.Run(c.name, func(b *testing.B) {
			img := raw + c.suffix
			switch {
			case c.make != "":
				shell(b, fmt.Sprintf(c.make, img, raw))
			case c.suffix != "":
				framed(b, raw, img)
			}
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, img) }))
			defer srv.Close()
			url := srv.URL + "/disk.img" + filepath.Ext(img)
			if c.suffix == "" {
				url = srv.URL + "/disk.img"
			}
			sum := strings.Fields(shell(b, "sha256sum "+img))[0]
			var theirs, ours, ratio []float64
			var memory int64
			for b.Loop() {
				blank(b, file)
				t := timed(func() {
					shell(b, fmt.Sprintf("set -o pipefail; curl -fsS %s | tee >(sha256sum >%s/sum) | %s | dd of=%s iflag=fullblock bs=4M conv=fsync status=none", url, dir, c.decoder, path))
				})
				blank(b, file)
				var rss int64
				o := timed(func() { rss = flashApart(b, url, sum, path) })
				theirs, ours, ratio, memory = append(theirs, t), append(ours, o), append(ratio, o/t), max(memory, rss)
			}
			shell(b, fmt.Sprintf("cmp %s %s", raw, path))
			b.ReportMetric(median(theirs), "pipeline-s")
			b.ReportMetric(median(ours), "flash-s")
			b.ReportMetric(median(ratio), "ratio")
			b.ReportMetric(float64(memory)/mib, "peak-MiB")
			b.ReportMetric(0, "ns/op")
			if c.suffix != "" {
				os.Remove(img)
			}
		})
	}
}

const benchSize = 2 << 30

func benchDir(b *testing.B) string {
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

// benchImage makes a disk with a GPT and an ext4 that holds files of /usr, about 60 % full.
func benchImage(b *testing.B, dir string) string {
	b.Helper()
	files, raw := filepath.Join(dir, "files"), filepath.Join(dir, "disk.img")
	left := int64(1200 * mib)
	filepath.WalkDir("/usr", func(p string, d fs.DirEntry, err error) error {
		info, ierr := os.Lstat(p)
		if err != nil || ierr != nil || !info.Mode().IsRegular() || info.Size() > 32*mib || info.Size() > left {
			return nil
		}
		left -= info.Size()
		to := filepath.Join(files, p)
		os.MkdirAll(filepath.Dir(to), 0o755)
		return os.Symlink(p, to)
	})
	if left > 300*mib {
		b.Fatalf("/usr of this machine has too few files for the image: %d MiB more are needed", left/mib)
	}
	tree := filepath.Join(dir, "tree")
	shell(b, fmt.Sprintf("cp -rL %s %s && rm -rf %s", files, tree, files))
	shell(b, fmt.Sprintf("truncate -s %d %s && sgdisk -n1:2048:0 %s && mke2fs -q -t ext4 -d %s -E offset=1048576 %s %dk && rm -rf %s",
		benchSize, raw, raw, tree, raw, (benchSize-2*mib)/1024, tree))
	return raw
}

// framed compresses in independent frames of 4 MiB.
func framed(b *testing.B, raw, img string) {
	in, err := os.Open(raw)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	mapped, err := unix.Mmap(int(in.Fd()), 0, benchSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Munmap(mapped)
	if err := os.WriteFile(img, independent(b, mapped, 4*mib), 0o600); err != nil {
		b.Fatal(err)
	}
}

func shell(b testing.TB, script string) string {
	b.Helper()
	out, err := exec.Command("bash", "-c", script).CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v: %s (apt-get install curl zstd gzip xz-utils bzip2 gdisk e2fsprogs)", script, err, out)
	}
	return string(out)
}

// blank makes the disk a new one, alike for each run.
func blank(b *testing.B, file string) {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, benchSize); err != nil {
		b.Fatal(err)
	}
}

func timed(f func()) float64 {
	start := time.Now()
	f()
	return time.Since(start).Seconds()
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

const benchChild = "BTY_BENCH_FLASH"

// flashApart flashes in a process of its own and returns its peak memory.
func flashApart(b *testing.B, url, sum, path string) (rss int64) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchChild+"="+strings.Join([]string{url, sum, path}, " "))
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	var res benchResult
	if err := json.Unmarshal(out, &res); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	b.Logf("%+v", res)
	return res.Peak
}

type benchResult struct {
	Took       time.Duration
	Bottleneck string
	Peak       int64
}

// peakMemory is this process's own high-water mark; the one in rusage is inherited from the
// parent at exec.
func peakMemory() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kib int64
	fmt.Sscan(rest, &kib)
	return kib << 10
}

func TestMain(m *testing.M) {
	args := strings.Fields(os.Getenv(benchChild))
	if len(args) != 3 {
		os.Exit(m.Run())
	}
	if name := os.Getenv("BTY_BENCH_CPUPROFILE"); name != "" {
		f, err := os.Create(name)
		if err == nil {
			defer f.Close()
			pprof.StartCPUProfile(f)
			defer pprof.StopCPUProfile()
		}
	}
	req := Request{Source: args[0], Target: args[2]}
	if err := req.Digest.UnmarshalText([]byte(args[1])); err != nil {
		panic(err)
	}
	res, err := Run(context.Background(), req, nil)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(benchResult{res.Duration, res.Bottleneck, peakMemory()})
}
